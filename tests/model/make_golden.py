"""Writes tests/model/golden: tiny random models of each family with the logits that Hugging Face computes for them.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2
    venv/bin/python tests/model/make_golden.py            # writes golden/, versions in golden/versions.json

Each folder has config.json and model.safetensors as `save_pretrained` writes them, and expected.safetensors with
`tokens` [2, 40] and `logits` [2, 40, vocabulary], float32, eager attention. The initial weights are ten times larger than usual
and the norms and biases are random, so that a formula that is off moves the logits. `adapter/` below a
model is a PEFT adapter, and its expected.safetensors the logits of base and adapter together.
"""

import json
import sys
from pathlib import Path

import peft
import safetensors.torch
import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

SEED = 20261122
GOLDEN = Path(__file__).parent / "golden"
SIZES = dict(
    vocab_size=64,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=64,
    initializer_range=0.2,
    attn_implementation="eager",
)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10000.0)
LLAMA3 = dict(
    rope_type="llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
    rope_theta=500000.0,
)


def models():
    plain = dict(rope_type="default", rope_theta=1000000.0)
    linear = dict(rope_type="linear", factor=2.0, rope_theta=10000.0)
    yield "llama3", LlamaForCausalLM, LlamaConfig(**SIZES, num_key_value_heads=2, rope_parameters=LLAMA3)
    yield "llama_yarn", LlamaForCausalLM, LlamaConfig(**SIZES, num_key_value_heads=1, rope_parameters=YARN)
    yield "llama_linear", LlamaForCausalLM, LlamaConfig(
        **SIZES, num_key_value_heads=4, rope_parameters=linear, attention_bias=True, tie_word_embeddings=True
    )
    yield "qwen2", Qwen2ForCausalLM, Qwen2Config(**SIZES, num_key_value_heads=2, rope_parameters=plain)
    yield "qwen3", Qwen3ForCausalLM, Qwen3Config(
        **SIZES, num_key_value_heads=2, head_dim=16, rope_parameters=plain, tie_word_embeddings=True
    )


def write_expected(model, folder):
    generator = torch.Generator().manual_seed(SEED)
    tokens = torch.randint(0, SIZES["vocab_size"], (2, 40), generator=generator)
    with torch.no_grad():
        logits = model(tokens).logits.float().contiguous()
    expected = {"tokens": tokens.to(torch.int64).contiguous(), "logits": logits}
    safetensors.torch.save_file(expected, folder / "expected.safetensors")


def write_adapter(model, folder, use_rslora):
    config = peft.LoraConfig(
        r=4,
        lora_alpha=12,
        lora_dropout=0.0,
        use_rslora=use_rslora,
        target_modules=["q_proj", "v_proj", "down_proj"],
        task_type="CAUSAL_LM",
    )
    adapted = peft.get_peft_model(model, config)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    adapted.eval()
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    write_expected(adapted, folder)


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    for name, family, config in models():
        model = family(config).eval()
        for parameter_name, parameter in model.named_parameters():
            if "norm" in parameter_name:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
            elif parameter_name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.2)
        folder = GOLDEN / name
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        write_expected(model, folder)
        if name in ("llama3", "qwen3"):
            write_adapter(model, folder / "adapter", use_rslora=name == "qwen3")
    versions = dict(
        seed=SEED,
        python=sys.version.split()[0],
        torch=torch.__version__,
        transformers=transformers.__version__,
        peft=peft.__version__,
    )
    (GOLDEN / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


main()
