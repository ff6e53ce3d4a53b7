"""Which folders the wheel carries: the core, the Label Studio face, and the FiftyOne plugin.

All else stands in pyproject.toml. FiftyOne wants a folder with fiftyone.yml at its top, so the
plugin lies in a folder of its own, premask_fiftyone, instead of as a module called `operators`
(docs/adr/0010-the-wheel-carries-the-faces.md).
"""

from __future__ import annotations

from setuptools import find_namespace_packages, find_packages, setup
from setuptools.command.build_py import build_py

PLUGIN = "premask_fiftyone"


class BuildWithPlugin(build_py):
    """The plugin's top folder is the checkout's; of its files only fiftyone.yml belongs there."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        return [] if package == PLUGIN else super().find_package_modules(package, package_dir)


setup(
    cmdclass={"build_py": BuildWithPlugin},
    packages=[
        *find_packages("plugin"),
        *find_packages(".", include=["ml_backend", "ml_backend.*"]),
        PLUGIN,
        *(
            f"{PLUGIN}.{package}"
            for package in find_namespace_packages(".", include=["operators", "operators.*"])
        ),
    ],
    package_dir={
        "": "plugin",
        "ml_backend": "ml_backend",
        PLUGIN: ".",
        f"{PLUGIN}.operators": "operators",
    },
    package_data={
        "premask": ["py.typed", "*/*.toml", "*/*/*.toml"],
        PLUGIN: ["fiftyone.yml"],
        f"{PLUGIN}.operators": ["assets/*.svg", "assets/*.js", "zoo/manifest.json"],
    },
)
