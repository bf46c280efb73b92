"""JumpStart: what AWS keeps in ``jumpstart-cache-prod-<region>``, made from the manifests of the algorithms that have model ids there.

Nothing is stored: a bucket's objects are made when they are read, the same bytes each time, in every region.
"""
