"""Expected person masks, by onnxruntime from the network as published. See README.md.

    python3 tests/golden/person/export.py package/selfie_segmentation.tflite
"""

import hashlib
import importlib.metadata
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import skimage.data
import skimage.transform
import tflite
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
SOURCE_SHA256 = "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27"
BUILTIN = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
PLAIN = {"HARD_SWISH": "HardSwish", "RELU": "Relu", "LOGISTIC": "Sigmoid", "MUL": "Mul", "ADD": "Add"}


def check_versions():
    for line in (HERE / "requirements.txt").read_text().split():
        name, wanted = line.split("==")
        found = importlib.metadata.version(name)
        assert found == wanted, f"{name} is {found}, expected {wanted}"


def to_onnx(path):
    """The graph in NCHW: weights transposed, "same" padding written out, half-pixel resizing."""
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == SOURCE_SHA256
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    constants, nodes, initializers = {}, [], []

    def shape(t):
        return [int(x) for x in graph.Tensors(t).ShapeAsNumpy()]

    def value(t):
        if t in constants:
            return constants[t]
        buffer = model.Buffers(graph.Tensors(t).Buffer())
        kind = {0: np.float32, 1: np.float16, 2: np.int32}[graph.Tensors(t).Type()]
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype=kind).reshape(shape(t))

    def keep(array, name):
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def options(op, kind):
        found = kind()
        found.Init(op.BuiltinOptions().Bytes, op.BuiltinOptions().Pos)
        return found

    def node(kind, inputs, output, activation=0, **attributes):
        assert activation in (0, 1)
        to = f"{output}_before" if activation else output
        nodes.append(helper.make_node(kind, inputs, [to], **attributes))
        if activation:
            nodes.append(helper.make_node("Relu", [to], [output]))

    for index in range(graph.OperatorsLength()):
        op = graph.Operators(index)
        code = model.OperatorCodes(op.OpcodeIndex())
        name = code.CustomCode().decode() if code.CustomCode() else BUILTIN[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        ins, out = [int(x) for x in op.InputsAsNumpy()], int(op.OutputsAsNumpy()[0])
        text = [f"t{i}" for i in ins]
        if name == "DEQUANTIZE":
            constants[out] = value(ins[0]).astype(np.float32)
        elif name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            is_depthwise = name != "CONV_2D"
            o = options(op, tflite.DepthwiseConv2DOptions if is_depthwise else tflite.Conv2DOptions)
            weight = value(ins[1]).transpose((3, 0, 1, 2) if is_depthwise else (0, 3, 1, 2))
            side, stride, size = weight.shape[2], o.StrideH(), shape(ins[0])[1]
            total = max((-(-size // stride) - 1) * stride + side - size, 0) if o.Padding() == 0 else 0
            pads = [total // 2, total // 2, total - total // 2, total - total // 2]
            inputs = [text[0], keep(weight, f"w{index}"), keep(value(ins[1 + 1]), f"b{index}")]
            group = weight.shape[0] if is_depthwise else 1
            node("Conv", inputs, f"t{out}", o.FusedActivationFunction(), strides=[stride] * 2, pads=pads, group=group)
        elif name in PLAIN:
            kind = {"MUL": tflite.MulOptions, "ADD": tflite.AddOptions}.get(name)
            node(PLAIN[name], text, f"t{out}", options(op, kind).FusedActivationFunction() if kind else 0)
        elif name in ("AVERAGE_POOL_2D", "MEAN"):
            node("GlobalAveragePool", text[:1], f"t{out}")
        elif name == "RESIZE_BILINEAR":
            scales = keep(np.array([1, 1, 2, 2], np.float32), f"s{index}")
            node("Resize", [text[0], "", scales], f"t{out}", mode="linear", coordinate_transformation_mode="half_pixel")
        elif name == "Convolution2DTransposeBias":
            inputs = [text[0], keep(value(ins[1]).transpose(3, 0, 1, 2), f"w{index}"), keep(value(ins[2]), f"b{index}")]
            node("ConvTranspose", inputs, f"t{out}", strides=[2, 2])
        else:
            raise ValueError(name)
    first, last = int(graph.InputsAsNumpy()[0]), int(graph.OutputsAsNumpy()[0])
    infos = [helper.make_tensor_value_info(f"t{t}", TensorProto.FLOAT, [1, c, 256, 256]) for t, c in [(first, 3), (last, 1)]]
    whole = helper.make_graph(nodes, "selfie", infos[:1], infos[1:], initializers)
    built = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 14)])
    built.ir_version = 8
    onnx.checker.check_model(built)
    return built.SerializeToString(), f"t{first}"


if __name__ == "__main__":
    check_versions()
    network, first = to_onnx(pathlib.Path(sys.argv[1]))
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    # A portrait (NASA, public domain), small enough to lie here, and every pixel four by four times.
    portrait = skimage.transform.resize(skimage.data.astronaut(), (64, 64), anti_aliasing=True, preserve_range=True)
    small = np.round(portrait).astype(np.uint8)
    (HERE / "portrait_64x64.rgb").write_bytes(small.tobytes())
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    batch = (large.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    mask = session.run(None, {first: batch})[0][0, 0]
    # Every fifth pixel of every third row, and the means of 16 by 16 cells.
    (HERE / "mask_pixels.f32").write_bytes(mask[::3, ::5].astype("<f4").tobytes())
    (HERE / "mask_cells_16x16.f32").write_bytes(mask.reshape(16, 16, 16, 16).mean(axis=(1, 3)).astype("<f4").tobytes())
    print("person in", float((mask > 0.5).mean()), "of the pixels")
