"""Params: the values a node is configured with, and the fields a form is made of."""
