"""Tokenizers of the real kinds, small and made on the spot; any text can be written in them."""

from __future__ import annotations

from collections.abc import Iterable

from transformers import BartTokenizer, BertTokenizer, CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

# The numbers that Grounding DINO's code itself looks for.
BERT_SPECIALS = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
BERT_STOPS = {".": 1012, "?": 1029}
BERT_SIZE = 1030

BART_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def bert_tokenizer() -> BertTokenizer:
    """Lower case letters, one a token; all else is unknown."""
    vocabulary = {**BERT_SPECIALS, **BERT_STOPS}
    pieces = [*LETTERS, *(f"##{letter}" for letter in LETTERS), ","]
    free = (number for number in range(BERT_SIZE) if number not in vocabulary.values())
    vocabulary.update(zip(pieces, free, strict=False))
    vocabulary.update({f"[unused{number}]": number for number in free})
    return BertTokenizer(vocab=vocabulary, model_max_length=512)


def clip_tokenizer(longest: int, padding: str = "<|endoftext|>") -> CLIPTokenizer:
    """One token a byte, at most `longest` with the first and the last."""
    letters = list(bytes_to_unicode().values())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab=_numbered(pieces), merges=[], model_max_length=longest, pad_token=padding
    )


def bart_tokenizer(added: Iterable[str] = (), image_token: str = "<image>") -> BartTokenizer:
    """One token a byte, and those that are added whole."""
    pieces = [*BART_SPECIALS, *bytes_to_unicode().values()]
    tokenizer = BartTokenizer(
        vocab=_numbered(pieces),
        merges=[],
        model_max_length=1024,
        extra_special_tokens={"image_token": image_token},
    )
    tokenizer.add_tokens(list(added), special_tokens=True)
    return tokenizer


def _numbered(pieces: Iterable[str]) -> dict[str, int]:
    return {piece: number for number, piece in enumerate(pieces)}
