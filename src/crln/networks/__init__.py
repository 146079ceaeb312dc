"""V-Net, with a residual encoder too, 3D U-Net, and the network of most methods."""

from crln.networks.backbone import Backbone, has_halves
from crln.networks.blocks import Pointwise
from crln.networks.patchwise import Patchwise
from crln.networks.resenc import ResEncVNet
from crln.networks.segmentation import SegmentationNetwork, build_backbone
from crln.networks.unet import UNet3D
from crln.networks.vnet import VNet, VNetDecoder, VNetEncoder

__all__ = [
    "Backbone",
    "Patchwise",
    "Pointwise",
    "ResEncVNet",
    "SegmentationNetwork",
    "UNet3D",
    "VNet",
    "VNetDecoder",
    "VNetEncoder",
    "build_backbone",
    "has_halves",
]
