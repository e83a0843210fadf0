"""Deployers side by side: what benches/run and benches/growth are made of."""
