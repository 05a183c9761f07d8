"""Fused residual networks, masked and sorted or not, against the same modules in PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import kernels
from bench.flows import MADE, AffineCoupling, MaskedAffine, ResidualNet, alternating
from bench.kernels import layout, network

pytestmark = [
    pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "available"),
    pytest.mark.filterwarnings("ignore:.*dependencies are lost"),
]
BATCHES = (0, 1, 7, 100)

#: name -> (inputs, network); the wide masked ones are sorted
NETWORKS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    "sorted": (43, lambda: MADE(43, 170)),
    "sorted, many outputs": (5, lambda: MADE(5, 200, outputs=23)),
    "sorted, no block": (9, lambda: MADE(9, 161, blocks=0)),
    "sorted, three blocks": (9, lambda: MADE(9, 161, blocks=3)),
    "sorted, fewer units than inputs": (230, lambda: MADE(230, 163)),
    "sorted, one input": (1, lambda: MADE(1, 160)),
    "masked": (6, lambda: MADE(6, 20)),
    "masked, no block": (4, lambda: MADE(4, 9, blocks=0)),
    "dense": (3, lambda: ResidualNet(3, 7, 33)),
    "dense, no block": (3, lambda: ResidualNet(3, 7, 12, blocks=0)),
    "dense, wide": (2, lambda: ResidualNet(2, 5, 180)),
}
#: name -> (dimension, layer with such a network)
LAYERS: dict[str, tuple[int, Callable[[], nn.Module]]] = {
    "affine coupling": (5, lambda: AffineCoupling(alternating(5, True), net)),
    "masked affine": (6, lambda: MaskedAffine(MADE(6, 20))),
    "masked affine, sorted": (6, lambda: MaskedAffine(MADE(6, 170))),
}
ALL = {**NETWORKS, **LAYERS}


def net(inputs: int, outputs: int) -> ResidualNet:
    return ResidualNet(inputs, outputs, 12)


def randomised(make: Callable[[], nn.Module], dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    module = make().to(dtype)
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=p.shape[-1] ** -0.5)
    return module


def outputs(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    found = module(x)
    return found if isinstance(found, tuple) else (found,)


def run(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Outputs, and the gradients of x and of the parameters of a sum of their cosines."""
    found = outputs(module, x)
    leaves = [*([x] if x.requires_grad else []), *module.parameters()]
    return [*found, *torch.autograd.grad(sum(t.cos().sum() for t in found), leaves)]


def in_pytorch(patch: pytest.MonkeyPatch, work: Callable[..., Any], *given: Any) -> Any:
    with patch.context() as p:
        p.setenv("BENCH_FUSED", "0")
        return work(*given)


@pytest.mark.parametrize("name", ALL)
def test_values_and_gradients_of_the_dense_network(name, monkeypatch):
    dim, make = ALL[name]
    module = randomised(make)
    for batch in BATCHES:
        for wanted in (True, False):
            x = torch.randn(batch, dim, dtype=torch.float64, requires_grad=wanted)
            found = run(module, x)
            assert kernels.path() == "fused"
            expected = in_pytorch(monkeypatch, run, module, x)
            torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
        with torch.no_grad():
            torch.testing.assert_close(
                outputs(module, x), tuple(expected[: len(outputs(module, x))])
            )


@pytest.mark.parametrize("name", [n for n in ALL if "sorted" in n or "masked" in n])
def test_what_is_masked_gets_a_gradient_of_exactly_zero(name):
    dim, make = ALL[name]
    module = randomised(make, torch.float32)
    run(module, torch.randn(64, dim))
    for x in (torch.randn(64, dim), torch.randn(64, dim, requires_grad=True)):
        module.zero_grad()
        sum(t.cos().sum() for t in outputs(module, x)).backward()
        for part in module.modules():
            if hasattr(part, "mask"):
                assert (part.weight.grad[part.mask == 0] == 0).all()
                seen = part.mask.sum(1) > 0
                assert not seen.any() or (part.weight.grad[seen] != 0).any()


def test_wide_masked_networks_are_sorted_and_no_others():
    for name, (dim, make) in NETWORKS.items():
        module = randomised(make)
        module(torch.randn(2, dim, dtype=torch.float64))
        tables = network._KERNELS[module].layout.tables
        assert all(len(t) == len(layout.NAMES) for t in tables) == ("sorted" in name or not tables)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_small_networks_train_along_pytorchs_curve(dtype, monkeypatch):
    """Not sorted: the operations are torch's in torch's order."""

    def losses(module: nn.Module) -> Tensor:
        optimizer = torch.optim.Adam(module.parameters(), 5e-3)
        generator, found = torch.Generator().manual_seed(1), []
        for _ in range(30):
            x = torch.randn(100, 6, generator=generator, dtype=dtype)
            loss = (module(x)[0].square() - module(x)[1][:, None]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.detach())
        return torch.stack(found)

    for make in (LAYERS["masked affine"][1], lambda: AffineCoupling(alternating(6, True), net)):
        first = randomised(make, dtype)
        second = copy.deepcopy(first)
        found, wanted = losses(first), in_pytorch(monkeypatch, losses, second)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


TINY: dict[str, Callable[[], nn.Module]] = {
    "masked": lambda: MADE(3, 4),
    "dense": lambda: ResidualNet(3, 2, 4),
    "affine coupling": lambda: AffineCoupling(
        alternating(3, True), lambda i, o: ResidualNet(i, o, 3)
    ),
    "masked affine": lambda: MaskedAffine(MADE(3, 4, blocks=1)),
}


@pytest.mark.parametrize("name", TINY)
def test_gradients_of_gradients_and_batched_ones(name):
    module = randomised(TINY[name])
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    parameters = tuple(module.parameters())

    def call(x: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        names = [n for n, _ in module.named_parameters()]
        named = dict(zip(names, given, strict=True))
        return tuple(torch.func.functional_call(module, named, (x,)))

    assert torch.autograd.gradcheck(lambda x: module(x), (x,), check_batched_grad=True)
    assert torch.autograd.gradgradcheck(call, (x, *parameters))


def test_a_gradient_for_x_alone_is_that_for_all():
    for dim, make in ALL.values():
        module = randomised(make)
        x = torch.randn(5, dim, dtype=torch.float64, requires_grad=True)
        loss = sum(t.cos().sum() for t in outputs(module, x))
        (alone,) = torch.autograd.grad(loss, x, retain_graph=True)
        together = torch.autograd.grad(loss, [x, *module.parameters()])
        assert alone.equal(together[0])


@pytest.mark.parametrize("name", ["sorted", "dense", "masked affine"])
def test_frozen_parameters(name, monkeypatch):
    dim, make = ALL[name]
    module = randomised(make)
    for frozen in (slice(0, 1), slice(1, None), slice(None)):
        for i, p in enumerate(module.parameters()):
            p.requires_grad_(i not in range(*frozen.indices(1000)))
        x = torch.randn(4, dim, dtype=torch.float64, requires_grad=True)
        leaves = [x, *(p for p in module.parameters() if p.requires_grad)]

        def grads() -> tuple[Tensor, ...]:
            return torch.autograd.grad(sum(t.cos().sum() for t in outputs(module, x)), leaves)  # noqa: B023

        wanted = in_pytorch(monkeypatch, grads)
        torch.testing.assert_close(grads(), wanted, atol=1e-12, rtol=1e-12)


def test_modules_made_in_inference_mode(monkeypatch):
    for name in ("sorted", "dense"):
        dim, make = NETWORKS[name]
        with torch.inference_mode():
            module, x = randomised(make), torch.randn(4, dim, dtype=torch.float64)
            wanted = in_pytorch(monkeypatch, module, x)
            torch.testing.assert_close(module(x), wanted, atol=1e-12, rtol=1e-12)


def test_several_calls_before_the_gradients_do_not_share_memory():
    module = randomised(NETWORKS["sorted"][1])
    given = [torch.randn(20, 43, dtype=torch.float64) for _ in range(3)]
    wanted = [run(module, x)[1:] for x in given]  # their graphs are gone, their memory is spare
    values = [module(x) for x in given]
    for y, expected in zip(values, wanted, strict=True):
        for _ in range(2):
            loss = y.cos().sum()
            found = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
            assert all(a.equal(b) for a, b in zip(found, expected, strict=True))


def change_a_mask(module: Any) -> None:
    module.initial_layer.mask.fill_(1)


def swap_a_weight(module: Any) -> None:
    module.final_layer.weight = nn.Parameter(torch.randn_like(module.final_layer.weight))


def edit_in_place(module: Any) -> None:
    with torch.no_grad():
        module.blocks[0].linear_layers[0].weight.mul_(3)


def edit_data(module: Any) -> None:
    module.final_layer.bias.data = torch.randn_like(module.final_layer.bias)


def transpose(module: Any) -> None:
    module.blocks[0].linear_layers[1].weight.data = module.blocks[0].linear_layers[1].weight.data.T


EDITS = (change_a_mask, swap_a_weight, edit_in_place, edit_data, transpose)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ["sorted", "masked"])
def test_edits_are_noticed(name, edit, monkeypatch):
    dim, make = NETWORKS[name]
    module = randomised(make)
    x = torch.randn(9, dim, dtype=torch.float64, requires_grad=True)
    before = run(module, x)[0]
    edit(module)
    found = run(module, x)
    assert not torch.allclose(found[0], before)
    expected = in_pytorch(monkeypatch, run, module, x)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


def test_copies_and_other_dtypes(monkeypatch):
    module = randomised(NETWORKS["sorted"][1], torch.float32)
    for x in (torch.randn(5, 43), torch.randn(5, 43).double()):
        twin = copy.deepcopy(module.to(x.dtype))
        twin.load_state_dict(module.state_dict())
        found = run(twin, x)
        assert all(a.equal(b) for a, b in zip(found, run(module, x), strict=True))
        expected = in_pytorch(monkeypatch, run, module, x)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_weight_changed_before_its_gradient_is_refused():
    module = randomised(NETWORKS["masked"][1])
    loss = module(torch.randn(5, 6, dtype=torch.float64)).sum()
    edit_in_place(module)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_hooks_are_called_and_several_threads_are_torchs():
    calls = []
    for name in ("masked", "dense"):
        dim, make = NETWORKS[name]
        module = randomised(make)
        handle = module.final_layer.register_forward_hook(lambda *_: calls.append(1))
        module(torch.randn(2, dim, dtype=torch.float64))
        handle.remove()
    assert len(calls) == 2
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert network.bind(module, torch.randn(2, 3).double(), [module.initial_layer]) is None
    finally:
        torch.set_num_threads(threads)


def test_wrong_shapes_fail_as_in_pytorch():
    for name in ("masked", "dense"):
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            randomised(NETWORKS[name][1])(torch.zeros(2, 11, dtype=torch.float64))
