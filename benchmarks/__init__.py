"""What flowtime costs: one registry of cases, a suite for people, guardrails for CI."""
