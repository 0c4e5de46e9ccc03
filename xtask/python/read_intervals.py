"""Reads an interval log and prints what is in it, as JSON: for each tag the intervals, the values, and some quantiles."""

import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

# 1 µs to 60 s in nanoseconds, three digits: what dunlin-load records.
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1_000, 60_000_000_000, 3))
sums, intervals, first = {}, {}, {}
while (interval := reader.get_next_interval_histogram()) is not None:
    tag = interval.get_tag()
    sums.setdefault(tag, HdrHistogram(1_000, 60_000_000_000, 3)).add(interval)
    intervals[tag] = intervals.get(tag, 0) + 1
    first.setdefault(tag, interval.get_start_time_stamp())
print(
    json.dumps(
        {
            tag: {
                "intervals": intervals[tag],
                "first_unix_ms": first[tag],
                "count": times.get_total_count(),
                "quantiles": [times.get_value_at_percentile(p) for p in (50, 99, 99.9, 100)],
            }
            for tag, times in sums.items()
        }
    )
)
