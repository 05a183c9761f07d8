"""Files of data sets of colour images."""

from __future__ import annotations

from bench.datasets.fetch.files import Archive, File, members_of, official

NONE = "none stated"
IMAGENET = "ImageNet's terms of access: research alone, no commercial use"
BOX = ("https://image-net.org/data/downsample/",)
BATCH = 10_000 * 3073  #: bytes: a label and 3 x 32 x 32 values in each row

CIFAR10 = Archive(
    File(
        "cifar10",
        "cifar-10-binary.tar.gz",
        170052171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        NONE,
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    ),
    expanded=200_000_000,
    count=20,
)
BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


#: data set -> its files, in the order in which they are read
SETS: dict[str, tuple[File, ...]] = {
    "cifar10": members_of(CIFAR10, {b: (f"cifar-10-batches-bin/{b}", BATCH) for b in BATCHES}),
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
    "svhn": official(
        "svhn",
        ("http://ufldl.stanford.edu/housenumbers/",),
        "for non-commercial use",
        (
            "train_32x32.mat",
            182040794,
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        ),
        (
            "test_32x32.mat",
            64275384,
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        ),
    ),
    "imagenet32-small": official(
        "imagenet_small",
        (),
        IMAGENET,
        (
            "train_32x32.tar",
            4113018880,
            "244a323d48f8d72f65ad8b54658c01fed68d2d7bdc77ccb43da58c11e94224e5",
        ),
        (
            "valid_32x32.tar",
            161474560,
            "862e559462b24cf736212a19f6b0d47b55c2dc8ebdaa95ccecfe71260124c8f7",
        ),
    ),
    "imagenet64-small": official(
        "imagenet_small",
        (),
        IMAGENET,
        (
            "train_64x64.tar",
            12112588800,
            "e2a2c1947a748d0d256e98e6d82800d855441dc9e4de2e71a773f1324c4524d7",
        ),
        (
            "valid_64x64.tar",
            477255680,
            "eeac03ec4f585baf871d2b4cb9c974bfe345e74878a74e5820fe6eb1041629cd",
        ),
    ),
    "imagenet32-box": official(
        "imagenet_box",
        BOX,
        IMAGENET,
        (
            "Imagenet32_train_npz.zip",
            3580435279,
            "94226337ecc1b0309d9fcd0167127aaadc931587035fbcb53925235edbaec4fc",
        ),
        (
            "Imagenet32_val_npz.zip",
            139697668,
            "013990e6dec1237dcd1f9beadbab81ead6604cc119af5cacbfb59ae28148377a",
        ),
    ),
    "imagenet64-box": official(
        "imagenet_box",
        BOX,
        IMAGENET,
        (
            "Imagenet64_train_part1_npz.zip",
            6783426789,
            "9422dc1dc5d092e9814a70a1cb7fc74880d2db5d88a0cb8a34ee363b12bde3f1",
        ),
        (
            "Imagenet64_train_part2_npz.zip",
            6780506068,
            "9fafc115afb7e6c301e66dc16b2d737152b427bd5dab26e1293487a6819c7f30",
        ),
        (
            "Imagenet64_val_npz.zip",
            529522927,
            "e1e75133158a1924135a9c6f97a80d2d237b158945e0b34074e58e6c8430eeb8",
        ),
    ),
}
