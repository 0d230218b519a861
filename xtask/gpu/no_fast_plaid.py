"""An empty fast-plaid where there is none. PyLate imports it for its indexes, and training needs none of them."""

import importlib.machinery
import importlib.util
import sys
import types

if importlib.util.find_spec("fast_plaid") is None:
    for name in ["fast_plaid", "fast_plaid.search", "fast_plaid.filtering"]:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__file__, module.__path__ = f"{name}.py", []
        module.search = module.filtering = module.FastPlaid = module.load = None
        sys.modules[name] = module
