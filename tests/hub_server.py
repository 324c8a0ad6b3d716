"""A small Hugging Face Hub in memory, on a free port of the loopback interface, for the real client to talk to.

It answers what huggingface_hub 2.4 asks for create_repo, upload_folder and create_commit (with LFS, without Xet),
hf_hub_download, repo_info, list_repo_tree, get_paths_info and snapshot_download. Every commit is kept and can be asked
for by its id; "main" is the only branch. Headers and statuses of errors are those of the real Hub, which the client
turns into its exceptions.

The client reads HF_ENDPOINT when it is imported, so it must run in a child process with `HubServer.environment`:

    with HubServer() as hub:
        hub.commit("models", "org/name", {"config.json": b"{}"})
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **hub.environment(tmp_path)})
"""

import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response

TOKEN = "hf_loopback"  # whoever sends it may write everywhere and read private repos
USER = "somebody"  # whose token it is; a repo created without an organisation is theirs
LFS_SUFFIXES = (".safetensors", ".bin", ".parquet", ".png")


@dataclass
class File:
    """The contents of one file, with the id that the Hub gives it."""

    data: bytes
    is_lfs: bool

    @property
    def oid(self) -> str:
        """SHA-256 of the contents for LFS files, else what git calls a blob."""
        if self.is_lfs:
            return hashlib.sha256(self.data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()

    def describe(self, path: str) -> dict[str, Any]:
        """The file's entry in a listing of its folder."""
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(self.data), "oid": self.oid}
        if self.is_lfs:
            entry["lfs"] = {"oid": self.oid, "size": len(self.data), "pointerSize": 134}
        return entry


@dataclass
class Commit:
    """All files of a repo as they were after one commit."""

    id: str
    title: str
    files: dict[str, File]


@dataclass
class Repo:
    """A repo is its commits, the oldest first."""

    private: bool = False
    commits: list[Commit] = field(default_factory=list)

    @property
    def files(self) -> dict[str, bytes]:
        """Path -> contents, as "main" has them."""
        return {path: file.data for path, file in self.commits[-1].files.items()}

    def add_commit(self, title: str, files: dict[str, File]) -> Commit:
        """Makes `files` the new state of the repo."""
        parts = [
            self.commits[-1].id if self.commits else "",
            title,
            *(path + files[path].oid for path in sorted(files)),
        ]
        commit = Commit(hashlib.sha1("\n".join(parts).encode()).hexdigest(), title, files)
        self.commits.append(commit)
        return commit


@dataclass
class Failure:
    """The answer to requests whose path contains `part_of_path`, instead of the proper one."""

    part_of_path: str
    status: int
    error_code: str
    method: str | None


class HubServer:
    """The Hub. `repos` is what it holds, `requests` what it was asked ("GET /org/name/resolve/main/config.json")."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}  # ("models" or "datasets", "org/name") -> repo
        self.requests: list[str] = []
        self.failures: list[Failure] = []
        self._lfs_uploads: dict[str, bytes] = {}
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(self._app(), log_level="warning", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    # -- for tests -----------------------------------------------------------------------------------

    def __enter__(self) -> "HubServer":
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the Hub for tests did not start.")
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def environment(self, home: Path) -> dict[str, str]:
        """The variables that make the client of a child process use this Hub and a cache of its own in `home`."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def commit(self, kind: str, repo_id: str, files: dict[str, bytes], title: str = "Commit in the browser") -> Commit:
        """Puts files into a repo as somebody in a browser would, and creates the repo if need be."""
        repo = self.repos.setdefault((kind, repo_id), Repo())
        before = repo.commits[-1].files if repo.commits else {}
        new = {path: File(data, path.endswith(LFS_SUFFIXES)) for path, data in files.items()}
        return repo.add_commit(title, {**before, **new})

    @contextmanager
    def failing(
        self, part_of_path: str, status: int, error_code: str = "", method: str | None = None
    ) -> Iterator[None]:
        """Requests (of one method, or of all) whose path contains `part_of_path` fail with `status`.

        A 500 comes with Retry-After: 0, so that the client's five repetitions take seconds rather than half a minute.
        """
        failure = Failure(part_of_path, status, error_code, method)
        self.failures.append(failure)
        try:
            yield
        finally:
            self.failures.remove(failure)

    # -- for the client ------------------------------------------------------------------------------

    def _app(self) -> FastAPI:
        app = FastAPI()
        app.middleware("http")(self._record_or_fail)
        app.post("/api/repos/create")(self._create_repo)
        app.post("/api/validate-yaml")(self._validate_yaml)
        app.post("/api/{kind}/{org}/{name}/preupload/{revision}")(self._preupload)
        app.post("/api/{kind}/{org}/{name}/commit/{revision}")(self._commit)
        app.post("/{org}/{name}.git/info/lfs/objects/batch")(self._lfs_batch)
        app.post("/{kind}/{org}/{name}.git/info/lfs/objects/batch")(self._lfs_batch)
        app.put("/lfs-storage/{oid}")(self._lfs_upload)
        app.get("/api/{kind}/{org}/{name}")(self._repo_info)
        app.get("/api/{kind}/{org}/{name}/revision/{revision}")(self._repo_info)
        app.get("/api/{kind}/{org}/{name}/tree/{revision}")(self._tree)
        app.get("/api/{kind}/{org}/{name}/tree/{revision}/{folder:path}")(self._tree)
        app.post("/api/{kind}/{org}/{name}/paths-info/{revision}")(self._paths_info)
        for prefix in ("", "/{kind}"):
            app.api_route(prefix + "/{org}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])(self._file)
        return app

    async def _record_or_fail(self, request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        self.requests.append(f"{request.method} {path}")
        for failure in self.failures:
            if failure.part_of_path in path and failure.method in (None, request.method):
                return Response(
                    status_code=failure.status, headers={"X-Error-Code": failure.error_code, "Retry-After": "0"}
                )
        return await answer(request)

    async def _create_repo(self, request: Request, response: Response) -> dict[str, str]:
        _must_write(request)
        wanted = await request.json()
        kind, repo_id = wanted.get("type", "model") + "s", f"{wanted['organization'] or USER}/{wanted['name']}"
        if (kind, repo_id) in self.repos:
            response.status_code = 409
        else:
            self.repos[kind, repo_id] = repo = Repo(private=wanted.get("visibility") == "private")
            rules = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
            repo.add_commit("initial commit", {".gitattributes": File(rules.encode(), is_lfs=False)})
        return {"url": self._url(kind, repo_id)}

    async def _validate_yaml(self) -> dict[str, list[str]]:
        return {"errors": [], "warnings": []}

    async def _preupload(self, request: Request, kind: str, org: str, name: str, revision: str) -> dict[str, Any]:
        _must_write(request)
        present = self._find(request, kind, org, name, revision)[1].files
        return {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                    "shouldIgnore": False,
                    "oid": present[file["path"]].oid if file["path"] in present else None,
                }
                for file in (await request.json())["files"]
            ]
        }

    async def _lfs_batch(self, request: Request, org: str, name: str, kind: str = "models") -> dict[str, Any]:
        _must_write(request)
        self._find(request, kind, org, name)
        answers = []
        for wanted in (await request.json())["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self._lfs_uploads:
                answer["actions"] = {"upload": {"href": f"{self.endpoint}/lfs-storage/{wanted['oid']}"}}
            answers.append(answer)
        return {"transfer": "basic", "objects": answers}

    async def _lfs_upload(self, request: Request, oid: str) -> None:
        data = await request.body()
        if hashlib.sha256(data).hexdigest() != oid:
            raise HTTPException(400, f"the contents do not have the SHA-256 {oid}.")
        self._lfs_uploads[oid] = data

    async def _commit(self, request: Request, kind: str, org: str, name: str, revision: str) -> dict[str, str]:
        _must_write(request)
        repo, last = self._find(request, kind, org, name, revision)
        files, title = dict(last.files), ""
        for line in (await request.body()).splitlines():
            action = json.loads(line)
            value = action["value"]
            match action["key"]:
                case "header":
                    title = value["summary"]
                case "file":
                    files[value["path"]] = File(base64.b64decode(value["content"]), is_lfs=False)
                case "lfsFile":
                    if value["oid"] not in self._lfs_uploads:
                        raise HTTPException(400, f"{value['path']} was not uploaded before the commit.")
                    files[value["path"]] = File(self._lfs_uploads[value["oid"]], is_lfs=True)
                case "deletedFile":
                    del files[value["path"]]
                case unknown:
                    raise HTTPException(400, f"this Hub knows no {unknown}.")
        commit = repo.add_commit(title, files)
        return {"commitOid": commit.id, "commitUrl": f"{self._url(kind, f'{org}/{name}')}/commit/{commit.id}"}

    async def _repo_info(
        self, request: Request, kind: str, org: str, name: str, revision: str = "main"
    ) -> dict[str, Any]:
        repo, commit = self._find(request, kind, org, name, revision)
        return {
            "id": f"{org}/{name}",
            "sha": commit.id,
            "private": repo.private,
            "tags": [],
            "siblings": [{"rfilename": path} for path in commit.files],
        }

    async def _tree(
        self,
        request: Request,
        kind: str,
        org: str,
        name: str,
        revision: str,
        folder: str = "",
        recursive: bool = False,
    ) -> list[dict[str, Any]]:
        entries = _list(self._find(request, kind, org, name, revision)[1])
        start = f"{folder}/" if folder else ""
        if folder and not any(path.startswith(start) for path in entries):
            raise _refusal(404, "EntryNotFound", f"{folder} does not exist on {revision}")
        inside = {path: entry for path, entry in entries.items() if path.startswith(start)}
        return [entry for path, entry in inside.items() if recursive or "/" not in path.removeprefix(start)]

    async def _paths_info(
        self, request: Request, kind: str, org: str, name: str, revision: str
    ) -> list[dict[str, Any]]:
        entries = _list(self._find(request, kind, org, name, revision)[1])
        wanted = parse_qs((await request.body()).decode())["paths"]
        return [entries[path] for path in wanted if path in entries]

    async def _file(
        self, request: Request, org: str, name: str, revision: str, path: str, kind: str = "models"
    ) -> Response:
        commit = self._find(request, kind, org, name, revision)[1]
        headers = {"X-Repo-Commit": commit.id}
        if path not in commit.files:
            raise _refusal(404, "EntryNotFound", "Entry not found", headers)
        file = commit.files[path]
        headers["ETag"] = f'"{file.oid}"'
        if file.is_lfs:
            headers |= {"X-Linked-Etag": f'"{file.oid}"', "X-Linked-Size": str(len(file.data))}
        return Response(file.data, headers=headers, media_type="application/octet-stream")

    def _find(self, request: Request, kind: str, org: str, name: str, revision: str = "main") -> tuple[Repo, Commit]:
        """A repo and one of its commits, or the Hub's answers where there is none that this client may see."""
        may_see_all = _has_token(request)
        repo = self.repos.get((kind, f"{org}/{name}"))
        if repo is None or (repo.private and not may_see_all):
            raise _refusal(404 if may_see_all else 401, "RepoNotFound", "Repository not found")
        for commit in reversed(repo.commits):
            if revision in ("main", commit.id):
                return repo, commit
        raise _refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def _url(self, kind: str, repo_id: str) -> str:
        return f"{self.endpoint}/{repo_id}" if kind == "models" else f"{self.endpoint}/{kind}/{repo_id}"


def _list(commit: Commit) -> dict[str, dict[str, Any]]:
    """Path -> entry of every file and folder."""
    entries: dict[str, dict[str, Any]] = {}
    for path, file in commit.files.items():
        for folder in [str(parent) for parent in PurePosixPath(path).parents][:-1]:
            entries[folder] = {"type": "directory", "path": folder, "size": 0, "oid": commit.id}
        entries[path] = file.describe(path)
    return entries


def _has_token(request: Request) -> bool:
    sent = request.headers.get("authorization")
    if sent not in (None, f"Bearer {TOKEN}"):
        raise _refusal(401, "", "Invalid credentials in Authorization header")
    return sent is not None


def _must_write(request: Request) -> None:
    if not _has_token(request):
        raise _refusal(401, "", "Invalid username or password.")


def _refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> HTTPException:
    return HTTPException(status, message, {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})})
