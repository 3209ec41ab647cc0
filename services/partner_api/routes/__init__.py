"""One router per resource. A route reads its request, runs one transaction and answers in the envelope."""
