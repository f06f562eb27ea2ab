"""Writes tiles.onnx: the smallest recogniser. It takes 3x32x24 and gives the means of
each channel in twelve tiles, 36 numbers: no weights, and so no license."""
import onnx
from onnx import TensorProto, helper

graph = helper.make_graph(
    [helper.make_node("AveragePool", ["data"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
     helper.make_node("Flatten", ["pooled"], ["template"])],
    "tiles",
    [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 32, 24])],
    [helper.make_tensor_value_info("template", TensorProto.FLOAT, [1, 36])])
model = helper.make_model(graph, producer_name="limen", opset_imports=[helper.make_opsetid("", 11)])
model.ir_version = 6
onnx.checker.check_model(model)
onnx.save(model, "tiles.onnx")
