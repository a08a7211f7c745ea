"""Files that a client sends: streamed to the disk, and counted as they come."""

from pathlib import Path

from fastapi import Request

from urbanseg.review.refusals import RefusedError


async def receive(request: Request, path: Path, most: int) -> int:
    """Write the body of a request to a new file.

    Args:
        request: whose body was not read yet.
        path: of the file, whose name the client does not know.
        most: bytes.

    Returns:
        How many there were.

    Raises:
        RefusedError: if there are more, or none.
    """
    stated = request.headers.get("content-length", "0")
    too_long = RefusedError(413, f"a file may have {most >> 20} MB at most")
    if not stated.isdigit() or int(stated) > most:
        raise too_long
    count = 0
    with path.open("xb") as file:
        async for part in request.stream():
            count += len(part)
            if count > most:
                raise too_long
            file.write(part)
    if not count:
        raise RefusedError(422, "the file is empty")
    return count
