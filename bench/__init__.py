"""`python -m bench`: this service beside its peers and its limits, interleaved in one run, in one table.

What is measured, and how, stands at the top of each module: the events in workload.py, the contestants in services.py,
peers/ and raw.py, the start in release.py, a timed run in race.py, the finish in reader.py; latency.py, growth.py and
the backlog in sections.py.
"""
