"""Files of tables: the archive of MAF's five, and a sample."""

from __future__ import annotations

from bench.datasets.fetch.files import Archive, File, members_of

MAF = Archive(
    File(
        "maf",
        "data.tar.gz",
        None,
        None,
        "as stated by UCI and Berkeley",
        urls=("https://zenodo.org/record/1161203/files/data.tar.gz",),
        md5="9b9c9b0375315ad270eba4ce80c093ab",
    ),
    expanded=16 << 30,
    count=10_000,
)
PUBLISHED = {
    "power": members_of(MAF, {"power.npy": "data/power/data.npy"}),
    "gas": members_of(MAF, {"ethylene_CO.pickle": "data/gas/ethylene_CO.pickle"}),
    "hepmass": members_of(
        MAF,
        {
            "1000_train.csv": "data/hepmass/1000_train.csv",
            "1000_test.csv": "data/hepmass/1000_test.csv",
        },
    ),
    "miniboone": members_of(MAF, {"miniboone.npy": ("data/miniboone/data.npy", 12551952)}),
    "bsds300": members_of(MAF, {"BSDS300.hdf5": "data/BSDS300/BSDS300.hdf5"}),
}

#: data set -> its files, in the order in which they are read
SETS: dict[str, tuple[File, ...]] = {
    **PUBLISHED,
    **{f"{name}-audited": files for name, files in PUBLISHED.items()},
    "miniboone-head": (
        File(
            "miniboone_head",
            "miniboone-rows-0-1522.npz",
            404698,
            "82efa8cd09f6a657d66c9b4376c55e8712470d8ebeb2a101ae59b24764ec431d",
            "UCI",
            note="sample",
        ),
    ),
}
