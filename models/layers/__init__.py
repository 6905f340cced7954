"""Keras layers, losses and the packing of histories into batches: the parts that networks are made of.

They import Keras, `models.features` and `models.histories`; `models.neural` and `models.training` import them, as do
`jobs/backend.py` (which device there is) and `models/compiled.py`. Begin with `packing` (what a batch is), then
`attention`.
"""
