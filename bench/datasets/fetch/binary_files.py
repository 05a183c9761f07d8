"""Files of binary data sets."""

from __future__ import annotations

from bench.datasets.fetch import debd, image_files
from bench.datasets.fetch.files import File, official

BINARIZED = (
    "https://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
    "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
)
IWAE = "https://raw.githubusercontent.com/yburda/iwae/78a6075484bd7dd6f47a4bb9880d2295bc7a5220"
LAKE = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
NONE = "none stated"

#: of Larochelle's sets: git blob ids of train, valid and test in debd.COMMIT
LAROCHELLE = {
    "adult": (
        "101be82a729802294177e86594095fa14fc5d5ca",
        "1d1f0853a75e2db49968c3380d5db92692c7d26a",
        "ca1a6642228f20971897abba6fb5ddc620bc80a3",
    ),
    "connect4": (
        "93b42c60aeca67df76fd821ef0ae5b8ceb8b8b01",
        "71f641a9b87507bb3e9f930c455748f118a6c9e0",
        "088e6da63a6e9d5cab1af67518fd6b202cef6f51",
    ),
    "ocr_letters": (
        "5deb8ce789bfb4f94849b1b5f57e7c841ec9f538",
        "ebbd09fef2383f0b507ee4addd17f0c5f3b4313b",
        "25b4cdcc1b5fb8602a4baacf7df16bd15947565c",
    ),
    "rcv1": (
        "25ee49d9df5566669d5994db5acf32844d8f4f7b",
        "890d4558bcb738690ef775a4fbdeb7ef9511d377",
        "0d9b096f4b8a62dec4634f3f87a73e292b5cffc8",
    ),
}


def _of_larochelle(name: str) -> tuple[File, ...]:
    names = [f"{name}.{part}.data" for part in debd.PARTS]
    return tuple(
        File("debd", f, None, None, NONE, urls=(f"{debd.RAW}/{name}/{f}",), git_blob=blob)
        for f, blob in zip(names, LAROCHELLE[name], strict=True)
    )


#: data set -> its files, in the order in which they are read
SETS: dict[str, tuple[File, ...]] = {
    "binarized-mnist": official(
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
    "dynamic-binarized-mnist": image_files.SETS["mnist"][:2],
    "omniglot-28": (
        File(
            "omniglot",
            "chardata.mat",
            None,
            None,
            NONE,
            (f"{IWAE}/datasets/OMNIGLOT/chardata.mat",),
            git_blob="016a3536ffe5e1d38e42563a18d7a78bfaf643ec",
        ),
    ),
    "omniglot-small": official(
        "omniglot_small",
        (LAKE,),
        "MIT",
        (
            "images_background_small1.zip",
            1319022,
            "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
        ),
        (
            "images_background_small2.zip",
            1580917,
            "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
        ),
    ),
    "caltech-silhouettes": (
        File(
            "caltech_silhouettes",
            "caltech101_silhouettes_28_split1.mat",
            None,
            None,
            NONE,
            ("https://people.cs.umass.edu/~marlin/data/caltech101_silhouettes_28_split1.mat",),
            md5="4483e9c14b188fd09937f9ea6f9ea777",
        ),
    ),
    **{name.replace("_", "-"): _of_larochelle(name) for name in LAROCHELLE},
    **{f"debd-{name.replace('_', '-')}": files for name, files in debd.SETS.items()},
}
