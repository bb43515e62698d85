"""Amplitude: the sample export, and a server of the Export API."""
