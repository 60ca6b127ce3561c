"""The local service: an app's way to its node, by gRPC and by HTTP.

Nothing is imported here: who only looks for a running node (`places`) shall not load gRPC and a web server.
"""
