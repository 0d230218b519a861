"""PyLate's part of `cargo xtask bench --device cuda`: training steps in PyLate's best case. The batches are tokenized and collated before the
first step, AdamW is the fused one, and nothing but the steps runs.

    python train_pylate.py --model DIR --triplets FILE.parquet --steps 40 --batch-size 32 --mode bf16-lik --log FILE

Modes: `f32`, `tf32`, `bf16` (autocast); `-lik` behind them takes the scores from late-interaction-kernels, `-compile` compiles the model. A step's
time runs from moving its batch to the device to the end of the optimizer's step. Each step is written to the log at its end. Prints one line of JSON.
"""

import argparse
import json
import os
import time

import no_fast_plaid  # noqa: F401, before PyLate
import pyarrow.parquet
import torch
from pylate import losses, models, utils

COLUMNS = ["query", "positive", "negative"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="DIR")
    parser.add_argument("--triplets", required=True, metavar="PARQUET")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--log", required=True, metavar="FILE")
    parser.add_argument("--device", default="cuda")
    return parser.parse_args()


def collated(model, given):
    """The batches. Too few rows begin again with the first."""
    rows = pyarrow.parquet.read_table(given.triplets, columns=COLUMNS).to_pylist()
    rows = (rows * -(-given.steps * given.batch_size // len(rows)))[: given.steps * given.batch_size]
    collator = utils.ColBERTCollator(model.tokenize)
    batches = []
    for start in range(0, len(rows), given.batch_size):
        batch = collator(rows[start : start + given.batch_size])
        batches.append([columns(batch, name) for name in COLUMNS])
    return batches


def columns(batch, name):
    return {key[len(name) + 1 :]: value for key, value in batch.items() if key.startswith(f"{name}_")}


def moved(features, device):
    return {key: value.to(device, non_blocking=True) if hasattr(value, "to") else value for key, value in features.items()}


def main():
    given = arguments()
    on_card = given.device.startswith("cuda")
    torch.manual_seed(0)
    products = torch.backends.cuda.matmul
    products.allow_tf32 = torch.backends.cudnn.allow_tf32 = not given.mode.startswith("f32")
    os.environ["PYLATE_SCORES_BACKEND"] = "lik" if "lik" in given.mode and on_card else "torch"
    model = models.ColBERT(given.model, device=given.device, query_length=32, document_length=180)
    batches = collated(model, given)
    trained = torch.compile(model) if "compile" in given.mode else model
    loss = losses.Contrastive(model=trained)
    trained.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    seconds, values = [], []
    with open(given.log, "w") as log:
        for batch in batches:
            started = time.perf_counter()
            features = [moved(column, given.device) for column in batch]
            with torch.autocast(given.device, dtype=torch.bfloat16, enabled=given.mode.startswith("bf16")):
                value = loss(features, None)
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if on_card:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
            values.append(float(value.detach()))
            print(json.dumps(dict(step=len(values), loss=values[-1], seconds=seconds[-1])), file=log, flush=True)
    report = dict(
        step_seconds=seconds,
        loss=values,
        shapes=[list(column["input_ids"].shape) for column in batches[0]],
        allocated_mib=torch.cuda.max_memory_allocated() / 2**20 if on_card else None,
    )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
