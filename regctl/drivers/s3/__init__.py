"""The driver of registries in S3, and in what speaks its protocol.

botocore is imported here alone, and only when this driver is used: `regctl.drivers.s3.driver`.
"""
