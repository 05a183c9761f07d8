"""Files of image data sets."""

from __future__ import annotations

from bench.datasets.fetch.files import File, official

MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
KMNIST = (
    "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
)
NONE = "none stated"

#: data set -> its files, in the order in which they are read
SETS: dict[str, tuple[File, ...]] = {
    "mnist": official(
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
    "kmnist": official(
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
}
