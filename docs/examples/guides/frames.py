"""Results as tables of other libraries (each must be installed)."""

import flowtime

result = flowtime.evaluate("from_file.yaml")
print(result.to_pandas()[["requests", "api_queue", "api_served"]])
