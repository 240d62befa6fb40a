"""Loads golden/ours, which tests/model/ours.rs wrote, in transformers and PEFT and compares the logits.

    venv/bin/python tests/model/check_ours.py       # the venv of make_golden.py

Prints the largest difference, relative to the largest logit, for each model and each adapter, and fails above 1e-4.

2026-11-22, torch 2.15.0+cu132, transformers 5.23.0, peft 0.21.2:
    llama: 3.5e-07, with its adapter 7.4e-07
    qwen2: 1.6e-06, with its adapter 8.4e-06
    qwen3: 2.0e-06, with its adapter 2.8e-06
"""

from pathlib import Path

import peft
import safetensors.torch
import torch
import transformers

OURS = Path(__file__).parent / "golden" / "ours"
TOLERANCE = 1e-4


def difference(model, folder):
    expected = safetensors.torch.load_file(folder / "expected.safetensors")
    with torch.no_grad():
        logits = model(expected["tokens"]).logits
    return ((logits - expected["logits"]).abs().max() / expected["logits"].abs().max()).item()


def main():
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")
    worst = 0.0
    for folder in sorted(OURS.iterdir()):
        load = transformers.AutoModelForCausalLM.from_pretrained
        model, report = load(folder, attn_implementation="eager", output_loading_info=True)
        problems = {key: value for key, value in report.items() if value}
        assert not problems, problems
        off = difference(model.eval(), folder)
        adapted = peft.PeftModel.from_pretrained(model, folder / "adapter").eval()
        off_adapted = difference(adapted, folder / "adapter")
        print(f"{folder.name}: {off:.1e}, with its adapter {off_adapted:.1e}")
        worst = max(worst, off, off_adapted)
    assert worst < TOLERANCE, worst


main()
