"""One metric, one file; `registry.all_metrics` is the list of them.

Each has the form of `metric.Metric`: statistics of every row, which add up, and scores out of the sums. A new metric
is a new file here and its line in `registry`; intervals, paired tests, values by task, similarity and date, report
and charts follow.
"""
