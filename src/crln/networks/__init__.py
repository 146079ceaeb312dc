"""V-Net, 3D U-Net, and the network of every method that needs no more."""

from crln.networks.backbone import Backbone
from crln.networks.blocks import Pointwise
from crln.networks.patchwise import Patchwise
from crln.networks.segmentation import SegmentationNetwork, build_backbone
from crln.networks.unet import UNet3D
from crln.networks.vnet import VNet, VNetDecoder, VNetEncoder

__all__ = [
    "Backbone",
    "Patchwise",
    "Pointwise",
    "SegmentationNetwork",
    "UNet3D",
    "VNet",
    "VNetDecoder",
    "VNetEncoder",
    "build_backbone",
]
