"""Read what a user's project says about its containers: compose files, devcontainers, builds."""
