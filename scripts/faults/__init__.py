"""The production topology, broken on purpose: nothing may be lost, doubled, out of order, or fail the writer.

python -m scripts.faults                the short run that CI makes
python -m scripts.faults --full         every fault; writes its table into docs/reliability.md
python -m scripts.faults --only redis   those whose name contains a word
"""
