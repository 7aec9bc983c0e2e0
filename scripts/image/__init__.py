"""`make image-test`: the service's image, built and run for real on a machine without a container daemon.

Needs Linux, root, and Debian's buildah and debootstrap. What is slow or fetched is kept in the user's cache.
"""
