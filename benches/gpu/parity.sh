#!/bin/sh
# The golden tests of the models on a GPU: towers, decoder, attention, steering, gradients against the reference's numbers.
#
#     benches/gpu/parity.sh [cuda|metal]
#
# CUDA needs a driver, and nvcc on the path or under CUDA_HOME. Everything is computed in f32; the tolerances are those of the
# processor. Left out are tests of equal bits, which a GPU's products do not keep, and those that open the processor themselves.
set -eu
cd "$(dirname "$0")/../.."
device=${1:-cuda}
case $device in
cuda)
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || {
        echo "no NVIDIA driver here: nvidia-smi failed" >&2
        exit 2
    }
    command -v nvcc >/dev/null || [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ] || {
        echo "no nvcc on the path or under CUDA_HOME; benches/README.md names the packages" >&2
        exit 2
    }
    # Sums of f32 products in TF32 would miss the tolerances.
    export NVIDIA_TF32_OVERRIDE=0
    ;;
metal) ;;
*)
    echo "unknown device $device, expected cuda or metal" >&2
    exit 2
    ;;
esac
export EMOMM_TEST_DEVICE="$device"
# One test at a time: each opens the device.
exec cargo test --release -p emomm-models --features "$device" --test golden -- --test-threads 1 \
    model:: towers:: towers_of_vita:: \
    saliency::gradients_and_importance_equal_autograd_s_for_every_coalition_with_video \
    vita::the_whole_model_agrees_for_all_coalitions
