# pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2
"""PyTorch's side of `proofloop bench train`, which runs this file by itself.

Reads settings as JSON from standard input: a model folder of Hugging Face, perhaps an adapter folder of PEFT, one batch of
tokens, and what AdamW is told. Takes steps on that batch as a careful person would (sdpa, fused AdamW, f32), and writes
the losses and what each step took as JSON to standard output.
"""

import json
import resource
import sys
import time

import torch
import transformers


def load(settings):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        settings["model"], dtype=torch.float32, attn_implementation="sdpa"
    )
    if settings["adapter"] is not None:
        import peft

        model = peft.PeftModel.from_pretrained(model, settings["adapter"], is_trainable=True)
    return model.train()


def adamw(model, settings):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # Norms and biases don't decay.
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": settings["weight_decay"]},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings["learning_rate"],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
        fused=True,
    )


def main():
    settings = json.load(sys.stdin)
    torch.set_num_threads(settings["threads"])
    torch.set_num_interop_threads(1)
    model = load(settings)
    optimizer = adamw(model, settings)
    tokens = torch.tensor(settings["tokens"])
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].reshape(-1)
    losses, spans = [], []
    for _ in range(settings["steps"]):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        logits = model(input_ids=inputs, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        spans.append({"cpu_s": time.process_time() - cpu_s, "wall_s": time.perf_counter() - wall_s})
    result = {
        "versions": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "losses": losses,
        "spans": spans,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    json.dump(result, sys.stdout)


main()
