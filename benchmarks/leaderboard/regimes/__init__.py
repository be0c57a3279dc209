"""Every regime of distillation once, on one dataset at one budget.

A file here holds the regimes of one topic: functions of a `Setting` that return the
student to deploy.
"""
