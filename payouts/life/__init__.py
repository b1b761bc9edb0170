"""The life of a period: closes, runs, approvals, payments, holds, as a pure fold over leaves."""
