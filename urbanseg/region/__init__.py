"""A region in cells: their grid, which of them are done, who maps them, and how their vectors become one."""
