"""Which files each data set is read from."""

from __future__ import annotations

from bench.datasets.fetch import debd
from bench.datasets.fetch.files import File

MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
KMNIST = (
    "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
)
BINARIZED = (
    "https://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
    "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
)
NONE = "none stated"


def _official(
    folder: str, bases: tuple[str, ...], licence: str, *files: tuple[str, int, str]
) -> tuple[File, ...]:
    return tuple(
        File(folder, name, size, sha256, licence, tuple(base + name for base in bases))
        for name, size, sha256 in files
    )


#: data set -> its files, in the order in which they are read
SETS: dict[str, tuple[File, ...]] = {
    "mnist": _official(
        "mnist",
        MNIST,
        NONE,
        (
            "train-images-idx3-ubyte.gz",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
    ),
    "kmnist": _official(
        "kmnist",
        KMNIST,
        "CC BY-SA 4.0",
        (
            "train-images-idx3-ubyte.gz",
            18165135,
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            3041136,
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        ),
    ),
    "binarized-mnist": _official(
        "binarized_mnist",
        BINARIZED,
        NONE,
        (
            "binarized_mnist_train.amat",
            78400000,
            "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
        ),
        (
            "binarized_mnist_valid.amat",
            15680000,
            "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
        ),
        (
            "binarized_mnist_test.amat",
            15680000,
            "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
        ),
    ),
    "frey-faces": (
        File(
            "frey_faces",
            "frey_faces.npz",
            996877,
            "5522395a17167197ade1dc8f0c1fee6f8c68d266153ee11dff8a213fefebf859",
            NONE,
            note="repack",
        ),
    ),
    "cifar10-sample": (
        File(
            "cifar10_sample",
            "cifar10-train-0000-3999.npz",
            11313011,
            "213fef8c55ae422c7325cdee7ae77f45ae0506582e8b9c0d7d46fc1c9dea8a5b",
            NONE,
            note="sample",
        ),
    ),
    **{f"debd-{name.replace('_', '-')}": files for name, files in debd.SETS.items()},
}
