"""The sweeper: records what time has done, in bounded batches; nothing is right or wrong because of it."""
