# pip install torch==2.15.0 transformers==5.23.0
"""PyTorch's side of `proofloop bench generate`, which runs this file by itself.

Reads settings as JSON from standard input: a model folder of Hugging Face, a prompt as tokens, and how many samples of how
many tokens are wanted. Generates them in two ways, each as a careful person would: with `generate` of transformers, and
with a loop over the model and its cache (the prompt is read once and its cache repeated). Writes what each repetition
took, and the tokens of one sample at temperature 0, as JSON to standard output.
"""

import json
import resource
import sys
import time

import torch
import transformers


def choose(logits, temperature):
    if temperature == 0.0:
        return logits.argmax(-1, keepdim=True)
    return torch.multinomial(torch.softmax(logits / temperature, -1), 1)


def kv_loop(model, prompt, samples, tokens, temperature):
    out = model(input_ids=prompt, use_cache=True)
    cache = out.past_key_values
    if samples > 1:
        cache.batch_repeat_interleave(samples)
    chosen = [choose(out.logits[:, -1].expand(samples, -1), temperature)]
    while len(chosen) < tokens:
        out = model(input_ids=chosen[-1], past_key_values=cache, use_cache=True)
        chosen.append(choose(out.logits[:, -1], temperature))
    return torch.cat(chosen, 1)


def generate(model, prompt, samples, tokens, temperature):
    sampling = dict(do_sample=False) if temperature == 0.0 else dict(do_sample=True, temperature=temperature, top_k=0)
    rows = prompt.repeat(samples, 1)
    out = model.generate(
        rows,
        attention_mask=torch.ones_like(rows),
        max_new_tokens=tokens,
        min_new_tokens=tokens,
        pad_token_id=0,
        **sampling,
    )
    return out[:, prompt.shape[1] :]


def main():
    settings = json.load(sys.stdin)
    torch.set_num_threads(settings["threads"])
    torch.set_num_interop_threads(1)
    torch.manual_seed(settings["seed"])
    model = transformers.AutoModelForCausalLM.from_pretrained(
        settings["model"], dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    prompt, tokens = torch.tensor([settings["prompt"]]), settings["tokens"]
    runs = []
    with torch.inference_mode():
        greedy = kv_loop(model, prompt, 1, tokens, 0.0)[0].tolist()
        for samples in settings["samples"]:
            for name, method in [("torch, KV loop", kv_loop), ("transformers, generate", generate)]:
                spans = []
                for _ in range(settings["repetitions"]):
                    wall_s, cpu_s = time.perf_counter(), time.process_time()
                    out = method(model, prompt, samples, tokens, settings["temperature"])
                    spans.append({"cpu_s": time.process_time() - cpu_s, "wall_s": time.perf_counter() - wall_s})
                    assert out.shape == (samples, tokens), out.shape
                runs.append({"samples": samples, "name": name, "spans": spans})
    result = {
        "versions": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "greedy": greedy,
        "runs": runs,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    json.dump(result, sys.stdout)


main()
