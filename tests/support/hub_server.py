"""A small Hugging Face Hub in memory, on a free port of the loopback interface, for the real client to talk to.

It answers what huggingface_hub 2.4 asks for create_repo, upload_folder and create_commit (with LFS, without Xet),
create_branch, create_tag, list_repo_refs, hf_hub_download, repo_info, list_repo_tree, get_paths_info and
snapshot_download. Every commit is kept and can be asked for by its id. As on the real Hub, LFS files lie on another
host ("localhost" here) to which the client is redirected, and only the header of the card (README.md) is validated.
Headers and statuses of errors are those of the real Hub, which the client turns into its exceptions.

It fails on purpose: see `failing`, `cutting`, `truncating` and `after`.

The client reads HF_ENDPOINT when it is imported, so it must run in a child process with `HubServer.environment`:

    with HubServer() as hub:
        hub.commit("models", "org/name", {"config.json": b"{}"})
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **hub.environment(tmp_path)})
"""

import asyncio
import base64
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote

import uvicorn
import yaml
from fastapi import FastAPI, HTTPException, Request, Response

TOKEN = "hf_loopback"  # whoever sends it may write everywhere and read private repos
USER = "somebody"  # whose token it is; a repo created without an organisation is theirs
LFS_SUFFIXES = (".safetensors", ".bin", ".parquet", ".png")
# From the Hub's list of licences (https://huggingface.co/docs/hub/repositories-licenses), those that tests may meet.
LICENSES = (
    *("mit", "apache-2.0", "bsd-3-clause", "openrail", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"),
    *("cc-by-nc-sa-4.0", "unknown", "other"),
)


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
    """All commits of a repo, the oldest first, and those that its branches and tags stand for."""

    private: bool = False
    commits: list[Commit] = field(default_factory=list)
    branches: dict[str, Commit] = field(default_factory=dict)
    tags: dict[str, Commit] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """Path -> contents, as "main" has them."""
        return {path: file.data for path, file in self.branches["main"].files.items()}

    def find(self, revision: str) -> Commit | None:
        """The commit of that branch, tag or id."""
        named = self.branches.get(revision) or self.tags.get(revision)
        return named or next((commit for commit in self.commits if commit.id == revision), None)

    def add_commit(self, title: str, files: dict[str, File], branch: str = "main") -> Commit:
        """Makes `files` the new state of a branch."""
        before = self.branches[branch].id if branch in self.branches else ""
        parts = [before, title, *(path + files[path].oid for path in sorted(files))]
        commit = Commit(hashlib.sha1("\n".join(parts).encode()).hexdigest(), title, files)
        self.commits.append(commit)
        self.branches[branch] = commit
        return commit


@dataclass
class Trouble:
    """What happens to requests of `method` (None: any) whose path contains `part_of_path`.

    `skip` of them are let through first, then `times` (None: all) are hit. Either the answer is `status`, or `harm` is
    done to the request or to the proper answer, or `action` is called after the proper answer. The status waits until
    the LFS file `waits_for` has been uploaded.
    """

    part_of_path: str
    method: str | None
    skip: int = 0
    times: int | None = None
    status: int = 0
    error_code: str = ""
    waits_for: str = ""
    harm: str = ""
    action: Callable[[], Any] | None = None

    def hits(self, method: str, path: str) -> bool:
        """Whether it is this request's turn."""
        if self.part_of_path not in path or self.method not in (None, method):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return self.times is None or self.times >= 0


class HubServer:
    """The Hub.

    `repos` is what it holds, `requests` what it was asked: "GET /org/name/resolve/main/config.json", with " bytes=7-"
    behind it where all from the seventh byte on was wanted.
    """

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}  # ("models" or "datasets", "org/name") -> repo
        self.requests: list[str] = []
        self.troubles: list[Trouble] = []
        self._lfs_objects: dict[str, bytes] = {}
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        port = self._socket.getsockname()[1]
        self.endpoint, self._storage = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        self._app = self._routes()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._answer, interface="asgi3", http="h11", proxy_headers=False, log_level="warning", lifespan="off"
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    # -- for tests -----------------------------------------------------------------------------------

    def has(self, oid: str) -> bool:
        """Whether an LFS file has been uploaded, committed or not."""
        return oid in self._lfs_objects

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
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def commit(self, kind: str, repo_id: str, files: dict[str, bytes], title: str = "Commit in the browser") -> Commit:
        """Puts files into a repo as somebody in a browser would, and creates the repo if need be."""
        repo = self.repos.setdefault((kind, repo_id), Repo())
        before = repo.branches["main"].files if repo.branches else {}
        new = {path: File(data, path.endswith(LFS_SUFFIXES)) for path, data in files.items()}
        return repo.add_commit(title, {**before, **new})

    @contextmanager
    def failing(
        self,
        part_of_path: str,
        status: int,
        error_code: str = "",
        method: str | None = None,
        skip: int = 0,
        times: int | None = None,
        waits_for: str = "",
    ) -> Iterator[None]:
        """Requests (of one method, or of all) whose path contains `part_of_path` fail with `status`.

        They do so after the LFS file of the id `waits_for` has been uploaded, if one is given.
        Retry-After is 0, so that the client's five repetitions take seconds rather than half a minute.
        """
        with self._trouble(Trouble(part_of_path, method, skip, times, status, error_code, waits_for)):
            yield

    @contextmanager
    def cutting(self, part_of_path: str, method: str, times: int | None = None) -> Iterator[None]:
        """The connection is cut in the middle: of the answer to a GET, of the body of any other request."""
        with self._trouble(Trouble(part_of_path, method, times=times, harm="cut")):
            yield

    @contextmanager
    def truncating(self, part_of_path: str) -> Iterator[None]:
        """Files come with half of their contents, as if that were all."""
        with self._trouble(Trouble(part_of_path, "GET", harm="truncate")):
            yield

    @contextmanager
    def after(self, part_of_path: str, method: str, action: Callable[[], Any]) -> Iterator[None]:
        """Once, when such a request has been answered, `action` is called."""
        with self._trouble(Trouble(part_of_path, method, times=1, action=action)):
            yield

    @contextmanager
    def _trouble(self, trouble: Trouble) -> Iterator[None]:
        self.troubles.append(trouble)
        try:
            yield
        finally:
            self.troubles.remove(trouble)

    # -- for the client ------------------------------------------------------------------------------

    def _routes(self) -> FastAPI:
        app = FastAPI()
        app.post("/api/repos/create")(self._create_repo)
        app.post("/api/validate-yaml")(self._validate_yaml)
        app.post("/api/{kind}/{org}/{name}/preupload/{revision}")(self._preupload)
        app.post("/api/{kind}/{org}/{name}/commit/{revision}")(self._commit)
        app.post("/api/{kind}/{org}/{name}/branch/{branch}")(self._create_branch)
        app.post("/api/{kind}/{org}/{name}/tag/{revision}")(self._create_tag)
        app.get("/api/{kind}/{org}/{name}/refs")(self._refs)
        app.post("/{org}/{name}.git/info/lfs/objects/batch")(self._lfs_batch)
        app.post("/{kind}/{org}/{name}.git/info/lfs/objects/batch")(self._lfs_batch)
        app.put("/lfs-storage/{oid}")(self._lfs_upload)
        app.get("/lfs-storage/{oid}/{name}")(self._lfs_download)
        app.get("/api/{kind}/{org}/{name}")(self._repo_info)
        app.get("/api/{kind}/{org}/{name}/revision/{revision}")(self._repo_info)
        app.get("/api/{kind}/{org}/{name}/tree/{revision}")(self._tree)
        app.get("/api/{kind}/{org}/{name}/tree/{revision}/{folder:path}")(self._tree)
        app.post("/api/{kind}/{org}/{name}/paths-info/{revision}")(self._paths_info)
        for prefix in ("", "/{kind}"):
            app.api_route(prefix + "/{org}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])(self._file)
        return app

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Records each request (ASGI) and answers it, in the proper way or not."""
        # Revisions come with their slashes as %2F, which tells them from folders; `_find` undoes that.
        path = unquote(scope["raw_path"].decode().replace("%2F", "%252F"))
        method, transport = scope["method"], send.__self__.transport
        span = dict(scope["headers"]).get(b"range", b"").decode()
        self.requests.append(f"{method} {path} {span}".rstrip())
        trouble = next((trouble for trouble in self.troubles if trouble.hits(method, path)), Trouble("", None))
        scope = {**scope, "path": path}
        if trouble.status:
            while trouble.waits_for and not self.has(trouble.waits_for):
                await asyncio.sleep(0.01)
            refusal = Response(
                status_code=trouble.status, headers={"X-Error-Code": trouble.error_code, "Retry-After": "0"}
            )
            await refusal(scope, receive, send)
        elif trouble.harm == "cut" and method != "GET":
            await receive()
            transport.abort()
        elif trouble.harm:
            head, body = await self._proper_answer(scope, receive)
            headers: dict[bytes, bytes] = dict(head["headers"])
            start, whole = 0, len(body)
            if span := re.match(rb"bytes (\d+)-\d+/(\d+)", headers.get(b"content-range", b"")):
                start, whole = int(span[1]), int(span[2])
            half = body[: max(0, whole // 2 - start)]
            if trouble.harm == "truncate":
                head["headers"] = list({**headers, b"content-length": str(len(half)).encode()}.items())
            await send(head)
            await send({"type": "http.response.body", "body": half, "more_body": trouble.harm == "cut"})
            if trouble.harm == "cut":
                transport.close()
                while (await receive())["type"] != "http.disconnect":
                    pass
        else:
            await self._app(scope, receive, send)
        if trouble.action:
            trouble.action()

    async def _proper_answer(self, scope: Any, receive: Any) -> tuple[dict[str, Any], bytes]:
        """The first message of the answer, with its headers, and the body."""
        messages: list[dict[str, Any]] = []

        async def keep(message: Any) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return messages[0], b"".join(message["body"] for message in messages[1:])

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

    async def _validate_yaml(self, request: Request, response: Response) -> dict[str, list[dict[str, str]]]:
        content = (await request.json())["content"]
        header = re.match(r"---\r?\n(.*?)\r?\n---\r?(\n|$)", content, re.DOTALL)
        if header is None:
            return {"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]}
        errors = _faults(header[1])
        response.status_code = 400 if errors else 200
        return {"errors": [{"message": error} for error in errors], "warnings": []}

    async def _create_branch(
        self, request: Request, response: Response, kind: str, org: str, name: str, branch: str
    ) -> None:
        _must_write(request)
        repo, start = self._find(request, kind, org, name, (await request.json()).get("startingPoint", "main"))
        branch = unquote(branch)
        if branch in repo.branches:
            raise _refusal(409, "", f"Reference already exists: {branch}")
        if branch.startswith("refs/"):
            raise _refusal(400, "", "Invalid reference for a branch")
        repo.branches[branch] = start

    async def _create_tag(self, request: Request, kind: str, org: str, name: str, revision: str) -> None:
        _must_write(request)
        repo, commit = self._find(request, kind, org, name, revision)
        tag = (await request.json())["tag"]
        if tag in repo.tags:
            raise _refusal(409, "", f"Tag reference exists already: {tag}")
        repo.tags[tag] = commit

    async def _refs(self, request: Request, kind: str, org: str, name: str) -> dict[str, list[dict[str, str]]]:
        repo = self._find(request, kind, org, name)[0]

        def listed(folder: str, refs: dict[str, Commit]) -> list[dict[str, str]]:
            return [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": commit.id} for n, commit in refs.items()]

        return {"branches": listed("heads", repo.branches), "tags": listed("tags", repo.tags), "converts": []}

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
            if wanted["oid"] not in self._lfs_objects:
                answer["actions"] = {"upload": {"href": f"{self.endpoint}/lfs-storage/{wanted['oid']}"}}
            answers.append(answer)
        return {"transfer": "basic", "objects": answers}

    async def _lfs_upload(self, request: Request, oid: str) -> None:
        data = await request.body()
        if hashlib.sha256(data).hexdigest() != oid:
            raise HTTPException(400, f"the contents do not have the SHA-256 {oid}.")
        self._lfs_objects[oid] = data

    async def _lfs_download(self, request: Request, oid: str) -> Response:
        return _contents(request, self._lfs_objects[oid], {"ETag": f'"{oid}"'})

    async def _commit(self, request: Request, kind: str, org: str, name: str, revision: str) -> dict[str, str]:
        _must_write(request)
        repo, last = self._find(request, kind, org, name, revision)
        branch = unquote(revision)
        if branch not in repo.branches:
            raise _refusal(404, "RevisionNotFound", f"Invalid rev id: {branch}")
        files, title = dict(last.files), ""
        for line in (await request.body()).splitlines():
            action = json.loads(line)
            value = action["value"]
            match action["key"]:
                case "header":
                    title = value["summary"]
                    if value.get("parentCommit", last.id) != last.id:
                        raise _refusal(412, "", "A commit has happened since. Please refresh and try again.")
                case "file":
                    files[value["path"]] = File(base64.b64decode(value["content"]), is_lfs=False)
                case "lfsFile":
                    if value["oid"] not in self._lfs_objects:
                        raise HTTPException(400, f"{value['path']} was not uploaded before the commit.")
                    files[value["path"]] = File(self._lfs_objects[value["oid"]], is_lfs=True)
                case "deletedFile":
                    if files.pop(value["path"], None) is None:
                        raise _refusal(404, "EntryNotFound", "A file with this name doesn't exist")
                case unknown:
                    raise HTTPException(400, f"this Hub knows no {unknown}.")
        url, pull_request = self._url(kind, f"{org}/{name}"), {}
        if request.query_params.get("create_pr") == "1":
            number = 1 + sum(name.startswith("refs/pr/") for name in repo.branches)
            branch, pull_request = f"refs/pr/{number}", {"pullRequestUrl": f"{url}/discussions/{number}"}
            repo.branches[branch] = last
        commit = repo.add_commit(title, files, branch)
        return {"commitOid": commit.id, "commitUrl": f"{url}/commit/{commit.id}", **pull_request}

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
        if file.is_lfs:
            self._lfs_objects[file.oid] = file.data
            headers |= {"X-Linked-Etag": f'"{file.oid}"', "X-Linked-Size": str(len(file.data))}
            headers["Location"] = f"{self._storage}/lfs-storage/{file.oid}/{PurePosixPath(path).name}"
            return Response(status_code=302, headers=headers)
        return _contents(request, file.data, {**headers, "ETag": f'"{file.oid}"'})

    def _find(self, request: Request, kind: str, org: str, name: str, revision: str = "main") -> tuple[Repo, Commit]:
        """A repo and one of its commits, or the Hub's answer if there is none that this client may see."""
        may_see_all = _has_token(request)
        repo = self.repos.get((kind, f"{org}/{name}"))
        if repo is None or (repo.private and not may_see_all):
            raise _refusal(404 if may_see_all else 401, "RepoNotFound", "Repository not found")
        if commit := repo.find(unquote(revision)):
            return repo, commit
        raise _refusal(404, "RevisionNotFound", f"Invalid rev id: {unquote(revision)}")

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


def _contents(request: Request, data: bytes, headers: dict[str, str]) -> Response:
    """A file, or its part from a byte on (Range: bytes=N-), which clients that resume ask for."""
    status = 200
    if wanted := re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", "")):
        start = int(wanted[1])
        if start >= len(data):
            return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
        headers = {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        data, status = data[start:], 206
    return Response(data, status, headers, media_type="application/octet-stream")


def _faults(front_matter: str) -> list[str]:
    """What is wrong with a model card's metadata (https://github.com/huggingface/hub-docs, modelcard.md)."""
    try:
        card = yaml.safe_load(front_matter)
    except yaml.YAMLError as error:
        return [f"YAML: {error}"]
    if not isinstance(card, dict):
        return ["the metadata must be a mapping"]
    return [*_wrong_values(card), *_wrong_results(card)]


def _wrong_values(card: dict[str, Any]) -> list[str]:
    faults = []
    licenses = card.get("license", [])
    for license in licenses if isinstance(licenses, list) else [licenses]:
        if license not in LICENSES:
            faults.append(f'"license" must be one of [{", ".join(LICENSES)}]')
    for key in ("pipeline_tag", "library_name", "license_name", "license_link"):
        if not isinstance(card.get(key, ""), str):
            faults.append(f'"{key}" must be a string')
    for key in ("datasets", "tags"):
        values = card.get(key, [])
        for value in values if isinstance(values, list) else [None]:
            if not isinstance(value, str):
                faults.append(f'"{key}" must be an array of strings')
            elif key == "datasets" and not re.fullmatch(r"([\w.-]+/)?[\w.-]+", value):
                faults.append(f'"{key}" with value "{value}" is not valid')
    return faults


def _wrong_results(card: dict[str, Any]) -> list[str]:
    faults = []
    try:
        for model in card.get("model-index", []):
            needed = [model["name"]]
            for result in model["results"]:
                needed += [result["task"]["type"], result["dataset"]["type"], result["dataset"]["name"]]
                needed += [metric["type"] for metric in result["metrics"]]
                faults += ['"value" is required' for metric in result["metrics"] if metric.get("value") is None]
            faults += [f"{value!r} must be a string" for value in needed if not isinstance(value, str)]
    except (KeyError, TypeError, AttributeError) as error:
        faults.append(f'"model-index" is not of the documented shape ({error!r})')
    return faults


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
