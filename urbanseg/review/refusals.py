"""What the server answers instead of what was asked for: a status of HTTP and a sentence."""


class RefusedError(Exception):
    """A request that is answered by a sentence.

    Attributes:
        status: of HTTP, 400 to 499.
        sentence: for people.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def unknown(what: str) -> RefusedError:
    """Nothing lies at an address."""
    return RefusedError(404, f"there is no {what} here; reload the page")
