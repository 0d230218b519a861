"""The card, the versions, and the rates of large matrix products, by which `cargo xtask bench --device cuda` measures floors.

    python measure_card.py --device cuda

Prints one line of JSON. A rate is in TFLOP/s: the median of some products of 8192 by 8192 numbers drawn at random, because zeros run faster.
"""

import argparse
import importlib.metadata
import json
import platform
import statistics
import time

import torch

SIZE = 8192
WARMUP, PRODUCTS, REPEATS = 3, 10, 5
PACKAGES = ["torch", "pylate", "sentence-transformers", "transformers", "late-interaction-kernels"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=SIZE)
    return parser.parse_args()


def synchronize(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def rate(device, size, dtype, tf32):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    for _ in range(WARMUP):
        left @ right
    seconds = []
    for _ in range(REPEATS):
        synchronize(device)
        started = time.perf_counter()
        for _ in range(PRODUCTS):
            left @ right
        synchronize(device)
        seconds.append((time.perf_counter() - started) / PRODUCTS)
    return 2 * size**3 / statistics.median(seconds) / 1e12


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    given = arguments()
    on_card = given.device.startswith("cuda")
    report = dict(
        card=torch.cuda.get_device_name() if on_card else given.device,
        cuda=torch.version.cuda,
        python=platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        tflops=dict(
            f32=rate(given.device, given.size, torch.float32, False),
            tf32=rate(given.device, given.size, torch.float32, True),
            bf16=rate(given.device, given.size, torch.bfloat16, False),
        ),
    )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
