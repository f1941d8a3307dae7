"""`ray.job_submission`: entrypoints that run as jobs. Here: only the names."""

from __future__ import annotations

from localray.job_details import DriverInfo, JobDetails, JobErrorType, JobInfo, JobStatus, JobType

__all__ = ["DriverInfo", "JobDetails", "JobErrorType", "JobInfo", "JobStatus", "JobType"]
