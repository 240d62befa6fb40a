#!/usr/bin/env bash
# Builds proofloop with the feature `cuda`; `scripts/build-cuda.sh --help` says how.
set -euo pipefail
cd "$(dirname "$0")/.."

# CUDA 13.0: PTX of a newer nvcc is refused by the driver 580, the oldest that knows CUDA 13.
requirements='
nvidia-cuda-nvcc==13.0.88 --hash=sha256:56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03
nvidia-nvvm==13.0.88 --hash=sha256:c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0
nvidia-cuda-crt==13.0.88 --hash=sha256:2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
nvidia-cuda-cccl==13.0.85 --hash=sha256:e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649
nvidia-cublas==13.0.2.14 --hash=sha256:0cf238ffdbe46c00cb9aa98e7bca745c223a5ca5a53e686ac8b3e5a08fe80d6c
nvidia-curand==10.4.0.35 --hash=sha256:1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc
nvidia-cuda-nvrtc==13.0.88 --hash=sha256:ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575
'
# Libraries that are linked, with the version in their file names.
libraries=(cublas:13 cublasLt:13 cudart:13 curand:10 nvrtc:13)

cache=${XDG_CACHE_HOME:-$HOME/.cache}/proofloop/cuda
capability=""
target_dir=target-cuda

usage() {
    cat <<TEXT
usage: scripts/build-cuda.sh [--cache DIR] [--capability NN] [--target-dir DIR] [-- COMMAND…]

Builds proofloop for NVIDIA GPUs. Neither a GPU nor a CUDA toolkit is needed on this machine: compiler and libraries
come from PyPI, pinned by hash, and the driver's library is replaced by one without a device while linking.
Needed are cargo, g++ and python3 with pip; 3 GB of disk; about 15 CPU minutes the first time. A second call
downloads nothing and builds what has changed.

  --cache DIR        where downloads and toolkit go, outside of the repository
                     (default: $cache)
  --capability NN    compute capability of the GPU times ten: 80 A100, 86 RTX 30, 89 RTX 40 and L4, 90 H100 and H200,
                     120 RTX 50 (default: that of this machine's GPU, 90 without one)
  --target-dir DIR   where cargo builds (default: $target_dir)
  -- COMMAND…        run this in the build's environment instead of the build, with the libraries to be found at run
                     time, e.g. \`-- cargo test --release --features cuda --test model\`
TEXT
}

fail() {
    echo "build-cuda: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || fail "\`$1\` is missing: install $2"
}

# The wheels, unpacked: downloaded once, under a name that says which they are.
wheels() {
    local name partial
    name=$(printf '%s' "$requirements" | sha256sum | cut -c1-12)
    wheels=$cache/wheels-$name
    [[ ! -d $wheels ]] || return 0
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip: install python3-pip"
    partial=$(mktemp -d "$cache/partial-XXXXXX")
    trap 'rm -rf "$partial"' EXIT
    printf '%s' "$requirements" >"$partial/requirements.txt"
    echo "build-cuda: downloading the toolkit (0.8 GB) into $cache"
    python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: \
        --require-hashes --target "$partial/wheels" --requirement "$partial/requirements.txt"
    mv "$partial/wheels" "$wheels"
    rm -rf "$partial"
    trap - EXIT
}

# The wheels' files where a toolkit has them.
toolkit() {
    local from=$wheels/nvidia/cu13 part library
    [[ -x $from/bin/nvcc ]] || fail "there is no nvcc in $wheels: remove that folder and call again"
    toolkit=$cache/toolkit-${wheels##*-}
    mkdir -p "$toolkit/lib64/stubs"
    for part in bin include nvvm; do
        ln -sfn "$from/$part" "$toolkit/$part"
    done
    ln -sf "$from"/lib/* "$toolkit/lib64/"
    for library in "${libraries[@]}"; do
        ln -sf "lib${library%:*}.so.${library#*:}" "$toolkit/lib64/lib${library%:*}.so"
    done
}

# A libcuda to link with: the driver brings the real one. Every function says "no device" (100, CUDA_ERROR_NO_DEVICE), so
# that the program starts with it and computes on the CPU.
driver_stub() {
    local cudarc stub=$toolkit/lib64/stubs/libcuda.so
    cudarc=$(cargo metadata --locked --format-version 1 --features cuda |
        python3 -c 'import json, sys
packages = json.load(sys.stdin)["packages"]
print(next(p["manifest_path"] for p in packages if p["name"] == "cudarc"))')
    grep -ohE 'pub (unsafe )?fn cu[A-Z]\w+' "${cudarc%/*}/src/driver/sys/mod.rs" | awk '{print $NF}' | sort -u |
        sed 's/.*/int &(void) { return 100; }/' >"$stub.c"
    [[ -s $stub.c ]] || fail "cudarc names no functions of the driver"
    g++ -x c -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$stub.partial" "$stub.c"
    mv "$stub.partial" "$stub"
    ln -sf libcuda.so "$toolkit/lib64/stubs/libcuda.so.1"
}

# The compute capability of this machine's GPU, times ten.
this_gpu() {
    local found=""
    if command -v nvidia-smi >/dev/null; then
        found=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -1 | tr -dc '0-9') || found=""
    fi
    echo "${found:-90}"
}

command=()
while (($# > 0)); do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --cache | --capability | --target-dir) (($# > 1)) || fail "$1 wants a value" ;;&
        --cache) cache=$2 && shift 2 ;;
        --capability) capability=$2 && shift 2 ;;
        --target-dir) target_dir=$2 && shift 2 ;;
        --) shift && command=("$@") && set -- ;;
        *) usage >&2 && fail "unknown argument $1" ;;
    esac
done
capability=${capability:-$(this_gpu)}
[[ $capability =~ ^[0-9]+$ ]] || fail "--capability $capability: must be a number, such as 90"
[[ $(uname -sm) == "Linux x86_64" ]] || fail "only Linux on x86-64 was tried"
need cargo "Rust (rustup.rs)"
need g++ g++
need python3 "python3 and python3-pip"

mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
wheels
toolkit
driver_stub
export CUDA_HOME=$toolkit CUDA_PATH=$toolkit PATH=$toolkit/bin:$PATH CUDA_COMPUTE_CAP=$capability
# candle would ask nvcc and nvidia-smi for these.
export CUDARC_CUDA_VERSION=13000 NVCC_CCBIN=${NVCC_CCBIN:-$(command -v g++)}
export CARGO_TARGET_DIR=$target_dir
if ((${#command[@]} > 0)); then
    export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$toolkit/lib64
    # Never in front of a driver's own library.
    [[ $(/sbin/ldconfig -p) == *libcuda.so.1* ]] || LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$toolkit/lib64/stubs
    exec "${command[@]}"
fi
cargo build --release --locked --features cuda
cat <<TEXT

built for compute capability ${capability%?}.${capability: -1}: $target_dir/release/proofloop
on a machine with a GPU and driver 580 or newer:
    LD_LIBRARY_PATH=$toolkit/lib64 $target_dir/release/proofloop --help
on one without, where it computes on the CPU:
    LD_LIBRARY_PATH=$toolkit/lib64:$toolkit/lib64/stubs $target_dir/release/proofloop --help
Elsewhere the libraries may also come from /usr/local/cuda/lib64, or nvidia/cu13/lib of an environment with torch:
libcublas.so.13, libcublasLt.so.13, libcudart.so.13 and libcurand.so.10 are needed.
TEXT
