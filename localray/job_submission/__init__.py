"""`ray.job_submission`: entrypoints that run as jobs. Here: only the names."""

from __future__ import annotations

from localray.job_details import DriverInfo, JobDetails, JobErrorType, JobInfo, JobStatus, JobType
from localray.job_submission.client import JobSubmissionClient

__all__ = ["DriverInfo", "JobDetails", "JobErrorType", "JobInfo", "JobStatus", "JobSubmissionClient", "JobType"]
