"""Turns MediaPipe's selfie_segmentation.tflite into network.txt and weights.f16. See README.md.

    npm pack @mediapipe/selfie_segmentation@0.1.1675465747
    tar xzf mediapipe-selfie_segmentation-0.1.1675465747.tgz
    python3 -m pip install tflite numpy
    python3 crates/emomm-media/assets/person/convert.py package/selfie_segmentation.tflite
"""

import hashlib
import pathlib
import struct
import sys

import numpy as np
import tflite

HERE = pathlib.Path(__file__).parent
SOURCE_SHA256 = "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27"
NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
RELU = 1


class Converter:
    def __init__(self, path):
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        assert found == SOURCE_SHA256, f"{path} has sha256 {found}, expected {SOURCE_SHA256}"
        self.model = tflite.Model.GetRootAsModel(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.constants = {}
        self.lines = []
        self.weights = b""
        self.fresh = self.graph.TensorsLength()

    def shape(self, tensor):
        return [int(x) for x in self.graph.Tensors(tensor).ShapeAsNumpy()]

    def constant(self, tensor):
        if tensor in self.constants:
            return self.constants[tensor]
        info = self.graph.Tensors(tensor)
        buffer = self.model.Buffers(info.Buffer())
        if buffer.DataLength() == 0:
            return None
        kind = {0: np.float32, 1: np.float16, 2: np.int32}[info.Type()]
        return np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype=kind).reshape(self.shape(tensor))

    def store(self, values):
        half = np.ascontiguousarray(values, dtype=np.float16)
        assert (half.astype(np.float32) == np.asarray(values, dtype=np.float32)).all(), "weights are exact in half precision"
        self.weights += half.astype("<f2").tobytes()

    def line(self, *words):
        self.lines.append(" ".join(str(w) for w in words))

    def options(self, op, kind):
        options = kind()
        table = op.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def activated(self, activation, output):
        """The tensor that an operation writes; a fused activation gets a line of its own behind it."""
        assert activation in (0, RELU), activation
        if activation == 0:
            return output, lambda: None
        self.fresh += 1
        before = self.fresh - 1
        return before, lambda: self.line("relu", before, output)

    def convolution(self, op, inputs, output, depthwise):
        kind = tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions
        options = self.options(op, kind)
        weight, bias = self.constant(inputs[1]), self.constant(inputs[2])
        # TensorFlow has [out, height, width, in] and [1, height, width, channel].
        weight = weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)
        stride = options.StrideH()
        assert stride == options.StrideW()
        _, height, width, _ = self.shape(inputs[0])
        side = weight.shape[2]
        assert side == weight.shape[3] and height == width and (options.Padding() == 0 or side == 1)
        total = max((-(-height // stride) - 1) * stride + side - height, 0)
        to, then = self.activated(options.FusedActivationFunction(), output)
        name = "depthwise" if depthwise else "conv"
        self.line(name, inputs[0], to, weight.shape[0], weight.shape[1], side, stride, total // 2)
        self.store(weight)
        self.store(bias)
        then()

    def run(self):
        first = int(self.graph.InputsAsNumpy()[0])
        _, height, width, channels = self.shape(first)
        self.line("input", first, channels, height, width)
        for index in range(self.graph.OperatorsLength()):
            op = self.graph.Operators(index)
            code = self.model.OperatorCodes(op.OpcodeIndex())
            builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = "CUSTOM:" + code.CustomCode().decode() if code.CustomCode() else NAMES[builtin]
            inputs = [int(x) for x in op.InputsAsNumpy()]
            output = int(op.OutputsAsNumpy()[0])
            self.operation(op, name, inputs, output)
        self.line("output", int(self.graph.OutputsAsNumpy()[0]))

    def operation(self, op, name, inputs, output):
        if name == "DEQUANTIZE":
            self.constants[output] = self.constant(inputs[0]).astype(np.float32)
        elif name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self.convolution(op, inputs, output, name != "CONV_2D")
        elif name in ("HARD_SWISH", "RELU", "LOGISTIC"):
            self.line({"HARD_SWISH": "hard_swish", "RELU": "relu", "LOGISTIC": "sigmoid"}[name], inputs[0], output)
        elif name in ("MUL", "ADD"):
            assert all(self.constant(t) is None for t in inputs)
            options = self.options(op, tflite.MulOptions if name == "MUL" else tflite.AddOptions)
            to, then = self.activated(options.FusedActivationFunction(), output)
            self.line(name.lower(), *inputs, to)
            then()
        elif name in ("AVERAGE_POOL_2D", "MEAN"):
            self.line("mean", inputs[0], output)
            assert self.shape(output)[1:3] == [1, 1], "all pools are over the whole plane"
        elif name == "RESIZE_BILINEAR":
            options = self.options(op, tflite.ResizeBilinearOptions)
            before, after = self.shape(inputs[0]), self.shape(output)
            assert options.HalfPixelCenters() and not options.AlignCorners()
            assert after[1] == 2 * before[1] and after[2] == 2 * before[2]
            self.line("double", inputs[0], output)
        elif name == "CUSTOM:Convolution2DTransposeBias":
            weight, bias = self.constant(inputs[1]), self.constant(inputs[2])
            assert weight.shape[:3] == (1, 2, 2) and self.shape(output)[1] == 2 * self.shape(inputs[0])[1]
            # [out, height, width, in] to [in, height, width]: one output channel.
            self.line("unfold", inputs[0], output, weight.shape[3])
            self.store(weight[0].transpose(2, 0, 1))
            self.store(bias)
        else:
            raise ValueError(name)


if __name__ == "__main__":
    converter = Converter(pathlib.Path(sys.argv[1]))
    converter.run()
    (HERE / "network.txt").write_text("\n".join(converter.lines) + "\n")
    (HERE / "weights.f16").write_bytes(converter.weights)
    assert struct.calcsize("<e") == 2
    print(len(converter.lines), "lines,", len(converter.weights), "bytes", hashlib.sha256(converter.weights).hexdigest())
