"""One model, many callers: threads and asyncio share it.

    python threads.py cat photo1.jpg photo2.jpg ... [--detector ID]
"""

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor

import sowlv2

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("prompt")
parser.add_argument("images", nargs="+")
parser.add_argument("--detector")
arguments = parser.parse_args()
detector = sowlv2.Detector(arguments.detector)


def count(path: str) -> int:
    return len(detector.detect(path, arguments.prompt))  # other threads run meanwhile


with ThreadPoolExecutor(4) as pool:
    for path, number in zip(arguments.images, pool.map(count, arguments.images)):
        print(path, number)


async def together() -> None:
    numbers = await asyncio.gather(*(asyncio.to_thread(count, path) for path in arguments.images))
    print("altogether", sum(numbers))


asyncio.run(together())
