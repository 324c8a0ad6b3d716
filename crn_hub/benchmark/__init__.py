"""`crn benchmark`: what photographs and training steps cost on this machine, beside what it can do."""
