"""Models with random weights and real shapes, saved by PyLate. The speed of a training step does not depend on the weights.

    python make_models.py --tokenizer DIR --folder DIR minilm bert-base
"""

import argparse
import tempfile

import no_fast_plaid  # noqa: F401, before PyLate
import torch
from pylate import models
from transformers import AutoTokenizer, BertConfig, BertModel

SHAPES = {
    "minilm": dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
    "bert-base": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, metavar="DIR")
    parser.add_argument("--folder", required=True, metavar="DIR")
    parser.add_argument("names", nargs="+", choices=SHAPES)
    return parser.parse_args()


def main():
    given = arguments()
    tokenizer = AutoTokenizer.from_pretrained(given.tokenizer)
    for name in given.names:
        torch.manual_seed(0)
        dropout = dict(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
        encoder = BertModel(BertConfig(vocab_size=len(tokenizer), **SHAPES[name], **dropout))
        with tempfile.TemporaryDirectory() as directory:
            encoder.save_pretrained(directory)
            tokenizer.save_pretrained(directory)
            model = models.ColBERT(directory, device="cpu", embedding_size=128, query_length=32, document_length=180)
            model.save_pretrained(f"{given.folder}/{name}")


if __name__ == "__main__":
    main()
