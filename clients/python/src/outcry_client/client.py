ADDRESS = "http://127.0.0.1:7400"


class CallError(Exception): ...
