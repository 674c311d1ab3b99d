from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from asclf.edge.network import OnnxNetwork
from asclf.errors import BundleError, ExportError
from asclf.export.graph import IR_VERSION, OPSET, write_onnx

EXAMPLE = torch.rand(2, 30, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(8, 6, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(6)
        self.linear = nn.Linear(6, 4)
        nn.init.uniform_(self.norm.running_mean)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, feats: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(feats.transpose(1, 2))))  # (B, 6, T)
        return self.linear(x.mean(dim=2))


class Branching(Net):
    def forward(self, feats: Tensor) -> Tensor:
        return super().forward(-feats if feats.sum() > 0 else feats)


class FixedBatch(Net):
    def forward(self, feats: Tensor) -> Tensor:
        return super().forward(feats.reshape(2, -1, 8))


@pytest.fixture(scope="module")
def network() -> Net:
    return Net().eval()


@pytest.fixture(scope="module")
def path(network: Net, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_onnx(network, path, example=EXAMPLE, metadata={"name": "x", "frontend": {"bins": [8]}})
    return path


@pytest.mark.parametrize(("clips", "frames"), [(1, 1), (1, 30), (3, 2), (4, 500)])
def test_any_number_of_clips_and_frames_gives_torchs_logits(
    network: Net, path: Path, clips: int, frames: int
) -> None:
    feats = torch.rand(clips, frames, 8)
    with torch.no_grad():
        expected = network(feats)
    logits = torch.from_numpy(OnnxNetwork(path).logits(feats.numpy()))
    torch.testing.assert_close(logits, expected)


def test_the_axes_have_names_and_the_versions_are_old_enough(path: Path) -> None:
    model = onnx.load(path)
    feats, logits = model.graph.input[0], model.graph.output[0]
    assert (feats.name, logits.name) == ("feats", "logits")
    axes = [axis.dim_param or axis.dim_value for axis in feats.type.tensor_type.shape.dim]
    assert axes == ["batch", "frames", 8]
    assert (model.opset_import[0].version, model.ir_version) == (OPSET, IR_VERSION)


def test_metadata_is_text_and_names_nothing_of_this_machine(path: Path) -> None:
    model = onnx.load(path)
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    assert metadata["name"] == "x"
    assert json.loads(metadata["frontend"]) == {"bins": [8]}
    content = path.read_bytes()
    assert b".py" not in content
    assert str(Path(__file__).parent).encode() not in content


def test_batch_norm_is_folded_into_the_convolution(path: Path) -> None:
    operations = [node.op_type for node in onnx.load(path).graph.node]
    assert "Conv" in operations
    assert "BatchNormalization" not in operations


def test_the_network_may_be_in_training_and_stays_so(network: Net, tmp_path: Path) -> None:
    training = Net()
    training.load_state_dict(network.state_dict())
    write_onnx(training.train(), tmp_path / "m.onnx", example=EXAMPLE, metadata={})
    assert training.training
    assert training.norm.num_batches_tracked == 0
    logits = OnnxNetwork(tmp_path / "m.onnx").logits(EXAMPLE.numpy())
    torch.testing.assert_close(torch.from_numpy(logits), network(EXAMPLE).detach())


def test_a_branch_on_values_is_one_line_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError, match="run 1: the network cannot be exported") as caught:
        write_onnx(Branching(), tmp_path / "m.onnx", example=EXAMPLE, metadata={}, where="run 1")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_a_batch_size_in_the_graph_shows_when_it_runs(tmp_path: Path) -> None:
    write_onnx(FixedBatch(), tmp_path / "m.onnx", example=EXAMPLE, metadata={})
    feats = EXAMPLE.numpy()
    assert OnnxNetwork(tmp_path / "m.onnx").logits(feats).shape == (2, 4)
    with pytest.raises(BundleError, match=r"fails on feats of shape \(1, 29, 8\)"):
        OnnxNetwork(tmp_path / "m.onnx").logits(feats[:1, :29])
