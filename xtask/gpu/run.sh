#!/usr/bin/env bash
# Tests and measures colburn on a machine with an NVIDIA GPU. The machine needs neither a network nor a toolchain: `cargo xtask gpu-archive` packs
# this script and one archive, which lies beside it.
#
#   ./run.sh [PART …]   kernels: the tests of the GPU kernels; parity: the parity tests; bench: the table beside PyLate; all if none is named
#
#   ARCHIVE     the archive (default: colburn-gpu.tar.xz beside this script)
#   WORK        the folder that it is unpacked into, once (default: colburn-gpu in TMPDIR or /tmp)
#   OUT         the folder of the logs and of bench.json (default: colburn-gpu-results)
#   PYTHON      a Python 3.12 with torch, for the benchmark (default: python3)
#   CUDA_PATH   the folder of CUDA, whose NVRTC and headers compile the kernels (default: /usr/local/cuda)
#   KERNELS_MINUTES, PARITY_MINUTES, BENCH_MINUTES   the most minutes of each part (default: 3, 4 and 8)
#   KERNELS     arguments of the kernels' tests (default: cube)
#   BENCH       more options of the benchmark, as "--only base-32-bf16 --runs 1"
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
archive="${ARCHIVE:-$here/colburn-gpu.tar.xz}"
work="${WORK:-${TMPDIR:-/tmp}/colburn-gpu}"
mkdir -p "${OUT:=colburn-gpu-results}"
out="$(cd "$OUT" && pwd)"
python="${PYTHON:-python3}"
failed=()

# Unpacks the archive, unless this archive was unpacked before.
unpack() {
    local stamp="$work/.archive" sum
    sum="$(cksum <"$archive")"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then
        return
    fi
    if [ -e "$work" ] && [ ! -e "$stamp" ]; then
        echo "error: $work is no folder of this script; WORK names another one" >&2
        exit 1
    fi
    rm -rf "$work"
    mkdir -p "$work"
    : >"$stamp"
    # tar asks the program xz, which not every machine has.
    tar -xJf "$archive" -C "$work" 2>/dev/null || "$python" -m tarfile -e "$archive" "$work"
    echo "$sum" >"$stamp"
}

# part NAME MINUTES COMMAND …: runs a part. A failure does not keep the parts after it from running.
part() {
    local name="$1" minutes="$2"
    shift 2
    echo "==> $name, at most $minutes minutes"
    if [ ! -x "$work/$1" ]; then
        echo "error: the archive was packed without $1" >&2
        failed+=("$name")
    elif ! (cd "$work" && timeout --kill-after=10 "${minutes}m" "$@" 2>&1) | tee "$out/$name.log"; then
        echo "error: $name failed; its output is in $out/$name.log" >&2
        failed+=("$name")
    fi
}

unpack
# The archive is laid out as the repository, whose root xtask finds by this variable.
export CARGO_MANIFEST_DIR="$work/xtask"
export CUDA_PATH="${CUDA_PATH:-/usr/local/cuda}"
export LD_LIBRARY_PATH="$CUDA_PATH/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
echo "colburn $(cat "$work/COMMIT")"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader

[ "$#" -gt 0 ] || set -- kernels parity bench
for name in "$@"; do
    case "$name" in
        kernels)
            # A build may hold wgpu too.
            export BURN_DEVICE="${BURN_DEVICE:-cuda}"
            read -r -a options <<<"${KERNELS-cube}"
            part kernels "${KERNELS_MINUTES:-3}" bin/kernels "${options[@]}"
            ;;
        parity)
            part parity "${PARITY_MINUTES:-4}" bin/xtask parity --device cuda --binary bin/parity
            ;;
        bench)
            minutes="${BENCH_MINUTES:-8}"
            read -r -a options <<<"${BENCH-}"
            # PyLate lies in the archive, beside the packages that the Python has.
            export PYTHONPATH="$work/site${PYTHONPATH:+:$PYTHONPATH}"
            # No run begins after the minutes; the last one gets two more to end.
            part bench "$((minutes + 2))" bin/xtask bench --device cuda --binary bin/colburn --python "$python" \
                --models models --triplets data/triplets.parquet --out "$out/bench.json" --minutes "$minutes" "${options[@]}"
            ;;
        *)
            echo "error: unknown part $name; there are kernels, parity and bench" >&2
            exit 2
            ;;
    esac
done

if [ "${#failed[@]}" -gt 0 ]; then
    echo "error: these parts failed: ${failed[*]}" >&2
    exit 1
fi
